"""When a run logs, draws, saves and ends, and who may stop it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import Field

from steadygan.errors import SteadyGanError
from steadygan.spec import Spec

if TYPE_CHECKING:
    from steadygan.training.loop import Trainer


class LogSchedule(Spec):
    """How often a run logs and saves, in steps; 0 leaves the periodic one out."""

    log_every: int = Field(10, ge=0)
    save_every: int = Field(1000, ge=0)
    sample_every: int = Field(0, ge=0)


@dataclass(frozen=True)
class Goal:
    """When a run is done: after so many steps in all, or so many seconds of training in all."""

    steps: int | None = None
    budget_seconds: float | None = None

    def reached(self, iteration: int, seconds: float) -> bool:
        if self.steps is not None:
            return iteration >= self.steps
        return self.budget_seconds is not None and seconds >= self.budget_seconds

    def as_facts(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self).items() if v is not None}


class Stopped(SteadyGanError):
    """A run that stopped between iterations because it was asked to; its state is saved."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def _never() -> None:
    return None


@dataclass
class Hooks:
    """What the outside adds to a run: progress, and a reason to stop now (checked each iteration).

    `on_iteration(trainer)` after each iteration or stage step; `on_stage(trainer, stage)` when a
    pre-training stage is done, and again by a resumed run before its first iteration; `stop()`
    gives a `Stopped` to raise, or None. `evaluate(trainer)` before the first iteration and after
    each gives what to add to a history line (a measure of the samples), or None where none is due.
    """

    on_iteration: Callable[[Trainer], None] = lambda trainer: None
    stop: Callable[[], Stopped | None] = _never
    on_stage: Callable[[Trainer, str], None] = lambda trainer, stage: None
    evaluate: Callable[[Trainer], dict[str, Any] | None] = lambda trainer: None


def milestones(upto: int) -> Iterator[int]:
    """1000 * 2^(k/2) for k = 0, 1, ..., up to `upto`."""
    k = 0
    while (images := round(1000 * 2 ** (k / 2))) <= upto:
        yield images
        k += 1


def due(step: int, every: int) -> bool:
    """True every `every` steps; never where that is 0."""
    return every > 0 and step % every == 0
