"""R5, R11, R12: runs of the command line that are killed, signalled or stopped on time."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

from steadygan.methods import methods
from steadygan.recipes.overrides import override
from steadygan.training import checkpoint
from steadygan.training.runfolder import read_facts, read_history
from tests.reliability import children, games, resuming

Tick = Callable[[], None]
EXITS = {signal.SIGTERM: 143, signal.SIGINT: 130, signal.SIGHUP: 129}


def words(method: str, out: Path, steps: int) -> list[str]:
    """`steadygan train` of a tiny game that saves every 5 steps."""
    recipe = methods()[method].recipe
    keys = [f"{k}={v}" for k, v in games.SMALL.items() if override(recipe, k, v)]
    return ["train", method, "--data", "mnist", "--steps", str(steps), "--out", str(out), "--seed",
            "5", "--device", "cpu", "size=16", "save_every=5", "log_every=2", "threads=1",
            "precision=fp32", *keys]  # fmt: skip


class Victim:
    """A run that is started, harmed, looked at and gone on with until it is done."""

    def __init__(self, method: str, folder: Path, steps: int, name: str) -> None:
        self.method, self.folder, self.steps = method, folder, steps
        self.out = folder / name
        self.said = folder / f"{name}.txt"
        self.process = None

    def go(self, *more: str) -> None:
        """Start the run, or go on with it; a run that has no checkpoint yet is started again."""
        begun = checkpoint.listed(self.out / "checkpoints")
        again = ["resume", str(self.out)]
        line = again if begun else words(self.method, self.out, self.steps)
        cache = str(self.folder / "cache")
        self.process = children.start(children.command, [*line, *more], cache, stderr=self.said)

    def end(self, limit: float = 120.0) -> int:
        self.process.join(limit)
        assert self.process.exitcode is not None, f"{self.out}: still there after {limit} s"
        code = self.process.exitcode
        known = {0, 75, *EXITS.values(), -9, *(-number for number in EXITS)}
        assert code in known, f"exit {code}: {self.said.read_text()}"
        assert "Traceback" not in (said := self.said.read_text()), said
        return code

    def whole(self) -> int:
        """Every checkpoint there is loads; the history holds each step once. How many."""
        found = checkpoint.listed(self.out / "checkpoints")
        for path in found:
            checkpoint.load(path)
        return len(found)

    def half_written(self) -> bool:
        folder = self.out / "checkpoints"
        return folder.exists() and any(name.endswith(".part") for name in os.listdir(folder))

    def until_writing(self, limit: float) -> None:
        """Wait for the moment at which a checkpoint is half written, or `limit` seconds."""
        end = time.monotonic() + limit
        while time.monotonic() < end and self.process.exitcode is None:
            if self.half_written():
                return

    def same_as(self, reference: Victim) -> None:
        games.same_end(self.out, reference.out)
        steps = [line["step"] for line in read_history(self.out)]
        assert steps == sorted(set(steps)), f"{self.out}: history {steps}"
        assert not self.half_written()


def uninterrupted(method: str, folder: Path, steps: int) -> tuple[Victim, float]:
    """The reference run, and how long the second of two such runs took."""
    folder.mkdir(exist_ok=True)
    for name in ("cold", "reference"):
        victim, started = Victim(method, folder, steps, name), time.monotonic()
        victim.go()
        assert victim.end() == 0, victim.said.read_text()
    return victim, time.monotonic() - started


def killed(count: int, folder: Path, method: str, tick: Tick = lambda: None, seed: int = 0,
           steps: int = 40) -> str:  # fmt: skip
    """R5: `count` times kill -9 at a random moment, every second one in the first write of a
    checkpoint after it; 0 damaged, the end bitwise the same."""
    chance, done, runs, torn = random.Random(f"{method} {seed}"), 0, 0, 0
    reference, seconds = uninterrupted(method, folder, steps)
    while done < count:
        runs += 1
        victim = Victim(method, folder, steps, f"run-{runs}")
        ended = False
        while not ended:
            victim.go()
            if done < count:
                victim.process.join(chance.uniform(0.0, 0.8 * seconds))
                if done % 2:
                    victim.until_writing(limit=seconds)
            else:
                victim.process.join(120.0)
            if victim.process.exitcode is None and done < count:
                victim.process.kill()
                victim.process.join()
                victim.whole()
                torn += victim.half_written()
                done += 1
                tick()
            else:
                assert victim.end() == 0, victim.said.read_text()
                ended = True
        victim.same_as(reference)
    return f"{done} kills in {runs} runs, {torn} inside a write"


def signalled(count: int, folder: Path, method: str, tick: Tick = lambda: None, seed: int = 0,
              steps: int = 40) -> str:  # fmt: skip
    """R11: `count` signals at random moments, every third with a second one behind it."""
    chance, done, runs, late = random.Random(f"{method} {seed}"), 0, 0, 0
    reference, seconds = uninterrupted(method, folder, steps)
    while done < count:
        runs += 1
        victim = Victim(method, folder, steps, f"run-{runs}")
        code = None
        while code != 0:
            victim.go()
            if done < count and until_training(victim):
                number = chance.choice(tuple(EXITS))
                victim.process.join(chance.uniform(0.0, 0.5 * seconds))
                sent = send(victim.process, number)
                if twice := done % 3 == 2:
                    time.sleep(chance.uniform(0.0, 0.02))
                    send(victim.process, chance.choice(tuple(EXITS)))
                code = victim.end()
                if sent and read_facts(victim.out)["status"]["state"] == "finished":
                    late += 1  # it came after the last step; the report is all that can lack
                elif sent:
                    allowed = set(EXITS.values()) if twice else {EXITS[number]}
                    assert code in allowed, f"{number!r}: exit {code}: {victim.said.read_text()}"
                    if not twice:
                        stopped_between_turns(victim, number)
                victim.whole()
                done += 1
                tick()
            else:
                code = victim.end()
        victim.same_as(reference)
    return f"{done} signals in {runs} runs, {late} after the last step"


def until_training(victim: Victim) -> bool:
    """Wait until the run trains, so that a signal is one to the loop; False if it ended before."""
    while victim.process.exitcode is None:
        if (victim.out / "run.json").is_file():
            status = read_facts(victim.out).get("status") or {}
            if status.get("state") == "running":
                return True
        time.sleep(0.002)
    return False


def send(process: object, number: int) -> bool:
    if process.exitcode is not None:
        return False
    os.kill(process.pid, number)
    return True


def stopped_between_turns(victim: Victim, number: int) -> None:
    """The state at the stop is saved, and run.json and the terminal say so."""
    status = read_facts(victim.out)["status"]
    assert status["state"] == "stopped", status
    newest, tensors = games.whole_state(victim.out)
    assert checkpoint.step_of(newest) == resuming.steps_in(tensors)  # with those of stages
    assert int(tensors["counters/turn"]) == status["step"]
    assert signal.Signals(number).name in victim.said.read_text()


def stopped_on_time(count: int, folder: Path, method: str, tick: Tick = lambda: None,
                    steps: int = 150) -> str:  # fmt: skip
    """R12: `--stop-after` exits 75 and can be run again, to the same end; `count` whole runs."""
    reference, seconds = uninterrupted(method, folder, steps)
    stops = 0
    for n in range(count):
        victim, code, after, step = Victim(method, folder, steps, f"run-{n}"), 75, 0.3 * seconds, -1
        while code == 75:
            victim.go("--stop-after", f"{after:.3f}s")
            code = victim.end()
            if code == 75:
                said = victim.said.read_text()
                assert "run me again" in said, said
                assert victim.whole()
                stops += 1
                reached = checkpoint.step_of(checkpoint.listed(victim.out / "checkpoints")[0])
                after, step = (after if reached > step else 2 * after), reached
        assert code == 0
        victim.same_as(reference)
        tick()
    assert stops, "no run was ever stopped"
    return f"{stops} stops in {count} runs"
