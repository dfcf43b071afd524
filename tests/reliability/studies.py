"""R5b: studies of two runs side by side whose processes are killed while the runs train."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from steadygan.study.table import write_tables
from steadygan.training import checkpoint
from steadygan.training.runfolder import read_facts, read_history
from tests.reliability import children, games

Tick = Callable[[], None]
STEPS = 400
METHODS = ("wgan-gp:d_steps=2", "wgan-gp:d_steps=3")
RUNS = ("wgan-gp-d_steps-2-s0", "wgan-gp-d_steps-3-s0")


class StudyVictim:
    """`steadygan compare --jobs 2` of two tiny runs, in a process of its own."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.out, self.said = folder, folder / name, folder / f"{name}.txt"
        self.process = None

    def go(self) -> None:
        line = ["compare", *METHODS, "--data", "ring", "--steps", str(STEPS), "--device", "cpu",
                "--jobs", "2", "--evaluate-every", "none", "--features", "none", "--count",
                "100", "width=16", "d_width=16", "batch=8", "log_every=5", "save_every=20",
                "threads=1", "precision=fp32", "--out", str(self.out)]  # fmt: skip
        cache = str(self.folder / "cache")
        self.process = children.start(children.command, line, cache, stderr=self.said)

    def end(self, limit: float = 300.0) -> int:
        self.process.join(limit)
        assert self.process.exitcode is not None, f"{self.out}: still there after {limit} s"
        assert "Traceback" not in self.said.read_text(), self.said.read_text()
        return self.process.exitcode

    def workers(self) -> dict[str, int]:
        """The process ids of the study's workers by run."""
        found = {}
        for folder in Path("/proc").iterdir():
            with suppress(OSError):
                words = (folder / "cmdline").read_bytes().split(b"\0")
                if b"work" in words and str(self.out).encode() in words:
                    found[words[words.index(b"work") + 2].decode()] = int(folder.name)
        return found

    def step(self, run: str) -> int:
        """The last step in a run's history; 0 before there is one."""
        lines = read_history(self.out / "runs" / run)
        return max((line["step"] for line in lines), default=0)

    def state(self, run: str) -> str:
        path = self.out / "runs" / run
        if not (path / "run.json").is_file():
            return "not started"
        return (read_facts(path).get("status") or {}).get("state", "not started")

    def until_beyond(self, steps: dict[str, int]) -> bool:
        """Wait until both runs train and are beyond these steps; False once the study is done or
        a run is."""
        while self.process.exitcode is None:
            states = [self.state(run) for run in RUNS]
            if "finished" in states:
                return False
            if states == ["running"] * 2 and all(self.step(r) > steps[r] for r in RUNS):
                return True
            time.sleep(0.005)
        return False

    def until_alone(self, limit: float = 120.0) -> None:
        end = time.monotonic() + limit
        while self.workers():
            assert time.monotonic() < end, f"{self.out}: workers outlive their study"
            time.sleep(0.02)


def victims_of(number: int, victim: StudyVictim) -> Iterator[int]:
    """Whom kill `number` ends: in turn the study, one worker, and all of them at once."""
    workers = victim.workers()
    if number % 3 != 1:
        yield victim.process.pid
    if number % 3 == 1:
        yield workers[RUNS[number % 2]]
    if number % 3 == 2:
        yield from workers.values()


def studies_killed(count: int, folder: Path, tick: Tick = lambda: None, seed: int = 0) -> str:
    """R5b: `count` times kill -9 while both runs train: the study, a worker (which is started
    again by the study), or both with the study, as the OOM killer may. After each nothing is torn
    and no run is called "running"; every run ends bitwise as if nothing had been."""
    chance, done, studies = random.Random(seed), 0, 0
    reference = StudyVictim(folder, "reference")
    reference.go()
    assert reference.end() == 0, reference.said.read_text()
    while done < count:
        studies += 1
        victim = StudyVictim(folder, f"study-{studies}")
        victim.go()
        while done < count:
            ahead = {run: victim.step(run) + chance.randrange(5, 40) for run in RUNS}
            if not victim.until_beyond(ahead):
                break
            one_kill(done, victim)
            done += 1
            tick()
        assert victim.end() == 0, victim.said.read_text()
        for run in RUNS:
            same_run(victim.out / "runs" / run, reference.out / "runs" / run)
    return f"{done} kills in {studies} studies, every run bitwise the same"


def one_kill(number: int, victim: StudyVictim) -> None:
    """Kill, look at what is left, and start the study again where it is gone."""
    for process in list(victims_of(number, victim)):
        os.kill(process, signal.SIGKILL)
    if number % 3 == 1:
        return
    assert victim.end() == -9
    victim.until_alone()
    states = [victim.state(run) for run in RUNS]
    assert states == ["interrupted" if number % 3 == 2 else "stopped"] * 2, states
    for run in RUNS:
        for path in checkpoint.listed(victim.out / "runs" / run / "checkpoints"):
            checkpoint.load(path)
    write_tables(victim.out)
    told = json.loads((victim.out / "tables.json").read_text())["runs"]
    assert [run["state"] for run in told] == states, told
    victim.go()


def same_run(ours: Path, theirs: Path) -> None:
    games.same_end(ours, theirs)
    steps = [line["step"] for line in read_history(ours)]
    assert steps == sorted(set(steps)), f"{ours}: history {steps}"
