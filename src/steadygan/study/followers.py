"""The other processes of a run of a study, where several share its batches.

The worker of a run is the first of them. It starts the others (`steadygan work OUT RUN --follows`),
trains together with them, and then evaluates alone. Their stdin is a pipe that it holds, so they
end with it, whatever ends it. They meet in a store that it keeps, on a free port of this machine:
there each says when it is ready, so that no one waits for a process that never came, and why it
failed, so that the error of the run is one line with the cause.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import torch.distributed as dist

from steadygan.errors import SteadyGanError, in_a_line
from steadygan.game.processes import ProcessLostError
from steadygan.launch import rank_and_count
from steadygan.training import Stopped
from steadygan.training.joining import leave

HERE = "127.0.0.1"
#: Seconds between two looks at the other processes.
OFTEN = 0.1
#: One that was lost has this long to say why; one that is to end, to end.
SOON_SECONDS = 5.0
#: A process that waits on a GPU for one that died may wait for good: it is ended after this time.
PATIENCE_SECONDS = 60.0
#: Exit codes of a process that leaves the others waiting: those of all processes are the others.
ALONE_CODES = (1, ProcessLostError.exit_code)

Stop = Callable[[], Stopped | None]


@contextmanager
def followed(
    out: Path, run: str, count: int, stop: Stop, trust_code: bool = False
) -> Iterator[None]:
    """Within, this process is the first of `count` that train `run` of the study in `out`, and
    `join` finds the others; nothing for one.

    Raises `ProcessLostError` where one of them was killed, its own error where it failed, and
    `Stopped` where this is asked for before all are ready.
    """
    if count == 1:
        yield
        return
    followers = Followers(count)
    try:
        followers.start([sys.executable, "-m", "steadygan", "work", str(out), run, "--follows",
                         *["--trust-code"] * trust_code])  # fmt: skip
        followers.wait_until_ready(stop)
        with environment(followers.variables(0)):
            yield
    except ProcessLostError as lost:
        raise (followers.cause(SOON_SECONDS) or lost) from None
    finally:
        leave()
        followers.end()


class Followers:
    """The processes of a run but the first one, which holds this."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.store = dist.TCPStore(HERE, 0, is_master=True, wait_for_workers=False)
        self.processes: dict[int, subprocess.Popen[bytes]] = {}
        self.over = threading.Event()

    def variables(self, rank: int) -> dict[str, str]:
        """What `torchrun` would tell a process; its modules are those of this one."""
        return {
            "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(self.count),
            "MASTER_ADDR": HERE, "MASTER_PORT": str(self.store.port),
            "TORCHELASTIC_USE_AGENT_STORE": "True",  # the store is there already
            "TORCHELASTIC_RESTART_COUNT": "0", "TORCHELASTIC_MAX_RESTARTS": "0",
            "PYTHONPATH": os.pathsep.join(sys.path),
        }  # fmt: skip

    def start(self, command: list[str]) -> None:
        for rank in range(1, self.count):
            self.processes[rank] = subprocess.Popen(
                command, env={**os.environ, **self.variables(rank)}, stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,  # it says all by the store
            )  # fmt: skip
        threading.Thread(target=self._watch, daemon=True).start()

    def wait_until_ready(self, stop: Stop) -> None:
        """Go on when all can join. Raises as `followed` does."""
        ready = [f"ready {rank}" for rank in self.processes]
        while not self.store.check(ready):
            if (stopped := stop()) is not None:  # looked at first: Ctrl-C reaches all of them
                raise stopped
            if (cause := self.cause()) is not None:
                raise cause
            time.sleep(OFTEN)

    def cause(self, seconds: float = 0.0) -> SteadyGanError | None:
        """Why a process has failed, as soon as that is known within `seconds`; None for none."""
        end = time.monotonic() + seconds
        while True:
            for rank, process in self.processes.items():
                if (found := self._why(rank, process)) is not None:
                    return found
            if time.monotonic() >= end:
                return None
            time.sleep(OFTEN)

    def _why(self, rank: int, process: subprocess.Popen[bytes]) -> SteadyGanError | None:
        code = process.poll()
        if self.store.check([f"why {rank}"]):
            number, _, text = self.store.get(f"why {rank}").decode().partition(" ")
            failed = SteadyGanError(f"process {rank} of this run: {text}")
            failed.exit_code = int(number)
            # One that lost another process is no cause.
            return None if failed.exit_code == ProcessLostError.exit_code else failed
        if not code:
            return None
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        return ProcessLostError(f"process {rank} of this run {how}")

    def _watch(self) -> None:
        """End this process where it waits for one that is gone, and does not notice."""
        while not self.over.wait(10 * OFTEN):
            cause = self.cause()
            if cause is None or cause.exit_code not in ALONE_CODES:
                continue
            if not self.over.wait(PATIENCE_SECONDS):
                os.write(2, f"steadygan: {cause}\n".encode(errors="replace"))
                os._exit(cause.exit_code)

    def end(self) -> None:
        """End them: what is left of the run is the work of this process."""
        self.over.set()
        for process in self.processes.values():
            assert process.stdin is not None
            process.stdin.close()
        for process in self.processes.values():
            try:
                process.wait(SOON_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables of this process while inside."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


# ---- the side of the others --------------------------------------------------------------------


@contextmanager
def following() -> Iterator[Callable[[], None]]:
    """Make this process one of `Followers`: it ends with the first process, and tells it why it
    fails. Yields what it calls once it can join. A stop ends it without a word: the first process
    says it."""
    threading.Thread(target=_until_stdin_ends, daemon=True).start()
    rank, _ = rank_and_count()
    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    store = dist.TCPStore(address, port, is_master=False, wait_for_workers=False)
    try:
        yield lambda: _tell(store, f"ready {rank}", "")
    except Stopped:
        return
    except Exception as error:
        text, code = in_a_line(error)
        with suppress(RuntimeError):  # the store is gone with the first process
            _tell(store, f"why {rank}", f"{code} {text}")
        raise


def _tell(store: dist.TCPStore, key: str, value: str) -> None:
    """Set and wait for it: `set` alone returns before the store has it, so that the first process
    could find this one ended, and not yet why."""
    store.set(key, value)
    store.get(key)


def _until_stdin_ends() -> None:
    """Nothing is lost with this process, since the first one alone writes."""
    while os.read(0, 4096):
        pass
    os._exit(143)
