"""How a run stands, kept in its run.json while it trains and when it ends."""

from __future__ import annotations

import re
import resource
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from steadygan.errors import UserError, in_a_line
from steadygan.game.processes import ProcessLostError
from steadygan.locks import INTERRUPTED
from steadygan.training.goals import Stopped
from steadygan.training.loop import Trainer
from steadygan.training.runfolder import read_facts


def peak_resident_mib() -> float:
    """The most memory that this process has held, in MiB. `ru_maxrss`, which stands for it where
    the kernel does not say, is inherited from the process that started this one."""
    with suppress(OSError):
        if found := re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text()):
            return int(found[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # in KiB on Linux


def peak_memory(device: torch.device) -> dict[str, float]:
    """The most memory that this process has held, and on a GPU the most that torch has held there,
    in MiB."""
    found = {"peak_memory_mib": round(peak_resident_mib(), 1)}
    if device.type == "cuda":
        there = torch.cuda.max_memory_allocated(device) / 2**20
        found["peak_device_memory_mib"] = round(there, 1)
    return found


def graphs_of(trainer: Trainer) -> dict[str, Any]:
    """Whether iterations are CUDA graphs, or why not; nothing on a CPU."""
    if trainer.graphs is None:
        return {}
    return {"graphs": trainer.graphs.reason or f"{len(trainer.graphs.captured)} forms captured"}


def messages_of(trainer: Trainer) -> dict[str, str]:
    """How the processes of a run send messages; nothing where there is one."""
    if trainer.processes.count == 1:
        return {}
    return {
        "messages": "torch.distributed" if trainer.processes.memory is None else "shared memory"
    }


class RunStatus:
    """Keeps a run's status in run.json: how it stands inside `with`, and how it left.

    States: running, finished, stopped (state saved), interrupted (nothing saved since the last
    checkpoint: a process of the run was killed), failed (with an exit code). Wall time is of a
    clock that is never set.
    """

    def __init__(self, trainer: Trainer) -> None:
        self.trainer, self.started = trainer, time.monotonic()
        status = read_facts(trainer.folder.path).get("status") or {}
        self.before = status.get("wall_seconds", 0.0)

    def note(self, state: str, reason: str = "", **more: Any) -> None:
        trainer = self.trainer
        wall = self.before + time.monotonic() - self.started
        trainer.folder.update_facts(
            status={
                "state": state, "reason": reason,
                "step": trainer.iteration, "images": trainer.images,
                "seconds": round(trainer.seconds, 3), "wall_seconds": round(wall, 3),
                **peak_memory(trainer.device_config.device), **graphs_of(trainer),
                **messages_of(trainer), **more,
            }
        )  # fmt: skip

    def __enter__(self) -> RunStatus:
        self.note("running")
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if error is None:
            self.note("finished")
            return
        with suppress(UserError):  # where this cannot be written, `error` itself is what to say
            if isinstance(error, Stopped):
                self.note("stopped", str(error))
            elif isinstance(error, ProcessLostError):
                self.note("interrupted", str(error))
            elif isinstance(error, Exception):
                reason, code = in_a_line(error)
                self.note("failed", reason, exit_code=code)
            else:  # KeyboardInterrupt, SystemExit: of nobody's making here
                self.note("interrupted", INTERRUPTED)
