"""Probes of a run while it trains: when they are taken, and what is remembered between them.

A `Prober` is the hook `evaluate` of a run, around another one. It moves no weight, buffer, gradient
or random state; a probe's time is no training time, and all of them together take at most `COST` of
it. What it must remember between probes stands in the run folder (`probes.safetensors`).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor, nn

from steadygan.diagnosis.movement import Movement
from steadygan.diagnosis.subject import GameProbe
from steadygan.files import write_whole
from steadygan.records import open_regular
from steadygan.training import Goal, Trainer, pictures
from steadygan.training.runfolder import read_history

#: Where probes fall, in shares of the goal: close together at first, where most faults show.
SHARES = (0.0, 0.01, 0.03, 0.06, 0.1, 0.15, 0.22, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
#: The share of the training time that probes may take; the first and the last come in any case.
COST = 0.03
FILE = "probes.safetensors"
#: A larger file is none that a probe has written.
MOST_BYTES = 1_000_000

Evaluate = Callable[[Trainer], dict[str, Any] | None]


def followed(trainer: Trainer) -> dict[str, list[nn.Parameter]]:
    """The weights whose movement probes follow: those of G and of D, and those of an encoder that
    moves with G also by themselves."""
    players = trainer.state.players
    found = {name: list(players[name].parameters) for name in ("g", "d")}
    if "encoder" in players["g"].modules:
        found["encoder"] = list(players["g"]["encoder"].parameters())
    return found


@dataclass
class Prober:
    """Called before the first iteration and after each; the line of an evaluation by `then` with,
    where a probe is due, its signals as `probe`."""

    goal: Goal
    then: Evaluate = lambda trainer: None
    found: Callable[[Trainer, dict[str, float]], None] = lambda trainer, signals: None
    say: Callable[[str], None] = lambda text: None
    clock: Callable[[], float] = time.perf_counter
    spent: float = 0.0
    last_share: float = -1.0
    _movements: dict[str, Movement] | None = field(default=None, init=False)
    _steps: int = field(default=0, init=False)
    _cost: float = field(default=0.0, init=False)
    _probe: GameProbe = field(default_factory=GameProbe, init=False)

    def __call__(self, trainer: Trainer) -> dict[str, Any] | None:
        measured = self.then(trainer)
        if self._movements is None:
            self._take_up(trainer)
        if not self.due(trainer):
            return measured
        started = self.clock()
        signals = self.probed(trainer)
        self.found(trainer, signals)
        if self.goal.reached(trainer.iteration, trainer.seconds):
            for path, picture in self._probe.pictures(trainer).items():
                pictures.save_png(picture, trainer.folder.path / path)
        self._cost = self.clock() - started
        self.spent += self._cost
        self.last_share = self.share(trainer)
        return {**(measured or {}), "probe": {k: round(v, 6) for k, v in signals.items()},
                "probe_seconds": round(self._cost, 4)}  # fmt: skip

    def share(self, trainer: Trainer) -> float:
        """The share of the goal that is done, 0 to 1."""
        if self.goal.steps is not None:
            return min(1.0, trainer.iteration / self.goal.steps)
        assert self.goal.budget_seconds is not None  # a goal has one of the two
        return min(1.0, trainer.seconds / self.goal.budget_seconds)

    def due(self, trainer: Trainer) -> bool:
        """True at the first logged iteration that reaches one of `SHARES`, where there is time."""
        if trainer.iteration == 0:
            return self.last_share < 0
        if self.goal.reached(trainer.iteration, trainer.seconds):
            return True
        every = trainer.schedule.log_every
        if every and trainer.iteration % every:
            return False  # a probe adds no line to the history
        done = self.share(trainer)
        passed = any(self.last_share < share <= done for share in SHARES)
        return passed and self.spent + self._cost <= self._affordable(trainer, done)

    def _affordable(self, trainer: Trainer, done: float) -> float:
        """The seconds that probes may have taken by now: a quarter of their share of the whole run
        at once, since faults show early, the rest as the run goes on."""
        expected = self.goal.budget_seconds or trainer.seconds / max(done, 1e-9)
        return COST * expected * (0.25 + 0.75 * done)

    # ---- what is remembered --------------------------------------------------------------------

    def _take_up(self, trainer: Trainer) -> None:
        """Begin, or take up the probes of a resumed run."""
        self._movements = {name: Movement() for name in followed(trainer)}
        lines = [line for line in read_history(trainer.folder.path) if "probe" in line]
        for line in lines:
            self.spent += float(line.get("probe_seconds", 0.0))
        if not lines or trainer.iteration == 0:
            return
        self._steps = int(lines[-1]["step"])
        for share in SHARES:
            if share <= self._share_of(lines[-1]):
                self.last_share = share
        kept = self._kept(trainer)
        for name, movement in self._movements.items():
            movement.start = kept.get(f"{name}/start")
            # Where the run goes on from before its last probe, the file is of a later step.
            movement.before = kept.get(f"{name}/{self._steps}")

    def _kept(self, trainer: Trainer) -> dict[str, Tensor]:
        """The weights that the probes before remembered; none, which is said, where the file is
        damaged or of other networks: movement is then measured from here on."""
        assert self._movements is not None  # `_take_up` comes first
        path = trainer.folder.path / FILE
        if not path.exists():
            return {}
        shapes = {
            name: self._movements[name].take(weights).shape
            for name, weights in followed(trainer).items()
        }
        try:
            handle, size = open_regular(path)
            with os.fdopen(handle, "rb") as file:
                kept = safetensors.torch.load(file.read() if size <= MOST_BYTES else b"")
        except (OSError, ValueError, safetensors.SafetensorError) as error:
            self.say(f"{path}: cannot be read ({error}); movement is measured from here on")
            return {}
        if any(name.split("/")[0] not in shapes or tensor.shape != shapes[name.split("/")[0]]
               or not bool(tensor.isfinite().all()) for name, tensor in kept.items()):  # fmt: skip
            self.say(f"{path}: holds no weights of this run; movement is measured from here on")
            return {}
        return kept

    def _share_of(self, line: dict[str, Any]) -> float:
        if self.goal.steps is not None:
            return float(line["step"]) / self.goal.steps
        assert self.goal.budget_seconds is not None  # a goal has one of the two
        return float(line["seconds"]) / self.goal.budget_seconds

    def _remember(self, folder: Path) -> None:
        assert self._movements is not None  # `_take_up` comes first
        kept: dict[str, Tensor] = {}
        for name, movement in self._movements.items():
            if movement.start is not None and movement.before is not None:
                kept |= {f"{name}/start": movement.start, f"{name}/{self._steps}": movement.before}
        if folder.is_dir():
            write_whole(folder / FILE, safetensors.torch.save(kept))

    # ---- one probe -----------------------------------------------------------------------------

    def probed(self, trainer: Trainer) -> dict[str, float]:
        """The signals of the game as it is now."""
        assert self._movements is not None  # `_take_up` comes first
        found = self._probe(trainer)
        steps = trainer.iteration - self._steps
        for name, weights in followed(trainer).items():
            moved = self._movements[name].signals(weights, steps)
            found |= {f"{name}_{key}": value for key, value in moved.items()}
        self._steps = trainer.iteration
        self._remember(trainer.folder.path)
        return found
