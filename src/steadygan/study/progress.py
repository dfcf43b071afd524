"""One progress bar for a run: steps, images a second, time left, losses. Plain lines in a pipe."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from steadygan.training import Goal, Trainer

#: Seconds between lines where there is no terminal to draw a bar on.
QUIET_EVERY = 15.0


class RunBar:
    """Shows a run's progress; call it with the trainer after each turn."""

    def __init__(self, progress: Progress, name: str, goal: Goal) -> None:
        self.progress, self.name, self.goal = progress, name, goal
        self.task = progress.add_task(name, total=1.0, detail="")
        self.last, self.images = 0.0, None
        self.rate = 0.0

    def __call__(self, trainer: Trainer) -> None:
        """Draw at most ten times a second; losses are read from the device only then."""
        now = time.monotonic()
        every = 0.1 if self.progress.console.is_terminal else QUIET_EVERY
        if now - self.last < every and not self.goal.reached(trainer.turn, trainer.seconds):
            return
        if self.images is not None and now > self.last:
            self.rate = (trainer.images - self.images) / (now - self.last)
        self.last, self.images = now, trainer.images
        detail = self.detail(trainer)
        self.progress.update(self.task, completed=self.share(trainer), detail=detail)
        if not self.progress.console.is_terminal:
            print(f"{self.name}: {self.share(trainer):4.0%}  {detail}", file=sys.stderr, flush=True)

    def share(self, trainer: Trainer) -> float:
        if self.goal.steps is not None:
            return min(1.0, trainer.turn / self.goal.steps)
        return min(1.0, trainer.seconds / self.goal.budget_seconds)

    def detail(self, trainer: Trainer) -> str:
        stages = [f"{n} {s}" for n, s in trainer.stage_steps.items() if not trainer.turn and s]
        where = ", ".join(stages) or f"step {trainer.turn:,}"
        losses = [
            f"{player} {sum(loss.item() for loss in update.losses.values()):.3g}"
            for player, update in trainer.last.items()
        ]
        return "  ".join([where, f"{self.rate:,.0f} images/s", "loss " + " ".join(losses)])


def counting(progress: Progress, name: str) -> Callable[[int, int], None]:
    """A callable `(done, total)` that shows a bar called `name` from its first call on."""
    task = progress.add_task(name, total=None, detail="", visible=False)

    def show(done: int, total: int) -> None:
        progress.update(task, completed=done, total=total, visible=True)

    return show


@contextmanager
def bars() -> Iterator[Progress]:
    """A place for bars on stderr, gone quiet where that is no terminal."""
    console = Console(stderr=True)
    columns = [
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.percentage:3.0f}%"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[detail]}"),
    ]
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        yield progress
