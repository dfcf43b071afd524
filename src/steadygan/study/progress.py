"""Progress in the terminal: a bar a run, one for a study. A few plain lines in a pipe."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from steadygan.study.stages import StageBar, going_on
from steadygan.training import Goal, Trainer

#: Seconds between two looks at a run where there is a bar to draw, and where there is none.
OFTEN = 0.1
QUIET_EVERY = 15.0
#: Seconds after which a phase of opening data says in a pipe how far it is.
LONG_PHASE = 2.0


class Pulse:
    """Tells how far a run is, at most once `every` seconds and when its goal is reached.

    Call it with the trainer after each turn; `tell(share, detail)` gets the share of the goal that
    is done and steps, images a second and losses in words. Losses are read from the device only
    when it is time to tell.
    """

    def __init__(self, goal: Goal, tell: Callable[[float, str], None], every: float) -> None:
        self.goal, self.tell, self.every = goal, tell, every
        self.last, self.images = 0.0, None
        self.rate = 0.0

    def __call__(self, trainer: Trainer) -> None:
        now = time.monotonic()
        if now - self.last < self.every and not self.goal.reached(trainer.turn, trainer.seconds):
            return
        if self.images is not None and now > self.last:
            self.rate = (trainer.images - self.images) / (now - self.last)
        self.last, self.images = now, trainer.images
        self.tell(self.share(trainer), self.detail(trainer))

    def share(self, trainer: Trainer) -> float:
        if self.goal.steps is not None:
            return min(1.0, trainer.turn / self.goal.steps)
        return min(1.0, trainer.seconds / self.goal.budget_seconds)

    def detail(self, trainer: Trainer) -> str:
        stage = going_on(trainer)
        where = f"step {trainer.turn:,}  {self.rate:,.0f} images/s"
        if stage:
            where = f"{stage} {trainer.stage_steps[stage]:,}/{trainer.recipe.stage_length(stage):,}"
        losses = [
            f"{player} {sum(loss.item() for loss in update.losses.values()):.3g}"
            for player, update in trainer.last.items()
        ]
        return "  ".join([where, "loss " + " ".join(losses)])


class RunBar(Pulse):
    """The bar of a run in this process; plain lines where there is no terminal."""

    def __init__(self, progress: Progress, name: str, goal: Goal) -> None:
        drawn = progress.console.is_terminal
        super().__init__(goal, self.show, OFTEN if drawn else QUIET_EVERY)
        self.progress, self.name, self.drawn = progress, name, drawn
        self.task = progress.add_task(name, total=1.0, detail="")
        self.stage = StageBar(progress, name)

    def __call__(self, trainer: Trainer) -> None:
        self.stage(trainer)
        super().__call__(trainer)

    def show(self, share: float, detail: str) -> None:
        self.progress.update(self.task, completed=share, detail=detail)
        if not self.drawn:
            line(f"{self.name}: {share:4.0%}  {detail}")


class StudyBars:
    """The bar of a study and one of each run that is worked on, fed with what workers tell.

    Events: `{"begins": True}`, `{"share": 0.4, "detail": "..."}`, `{"does": "evaluating"}`,
    `{"says": "..."}` and `{"ends": "why it failed, or nothing"}`.
    """

    def __init__(self, progress: Progress, runs: int, done: int) -> None:
        self.progress, self.drawn = progress, progress.console.is_terminal
        self.runs, self.done = runs, done
        self.shares: dict[str, float] = {}
        self.tasks: dict[str, TaskID] = {}
        self.told: dict[str, float] = {}
        self.whole = progress.add_task("study", total=float(runs), completed=done, detail="")

    def __call__(self, run: str, event: dict[str, Any]) -> None:
        if "begins" in event:
            self.shares[run] = 0.0
            self.tasks[run] = self.progress.add_task(run, total=1.0, detail="starting")
        if "says" in event:
            self.say(f"{run}: {event['says']}")
        if run in self.tasks:
            self._move(run, event)
        if "ends" in event:
            self._end(run, str(event["ends"]))
        self._count()

    def say(self, text: str) -> None:
        if self.drawn:
            self.progress.console.print(text, markup=False, highlight=False)
        else:
            line(text)

    def _move(self, run: str, event: dict[str, Any]) -> None:
        share, detail = event.get("share"), event.get("detail", event.get("does"))
        if share is not None:
            self.shares[run] = min(1.0, float(share))
        if detail is None:
            return
        self.progress.update(self.tasks[run], completed=self.shares[run], detail=str(detail))
        now = time.monotonic()
        if not self.drawn and now - self.told.get(run, 0.0) >= QUIET_EVERY:
            self.told[run] = now
            line(f"{run}: {self.shares[run]:4.0%}  {detail}")

    def _end(self, run: str, reason: str) -> None:
        self.done += 1
        self.shares.pop(run, None)
        if run in self.tasks:
            self.progress.remove_task(self.tasks.pop(run))
        self.say(f"{run} failed: {reason}" if reason else f"{run} is done ({self.counted()})")

    def _count(self) -> None:
        far = self.done + sum(self.shares.values())
        self.progress.update(self.whole, completed=far, detail=self.counted())

    def counted(self) -> str:
        return f"{self.done} of {self.runs} runs"


def line(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def counting(progress: Progress, name: str) -> Callable[[int, int], None]:
    """A callable `(done, total)` that shows a bar called `name` from its first call on."""
    task = progress.add_task(name, total=None, detail="", visible=False)

    def show(done: int, total: int) -> None:
        progress.update(task, completed=done, total=total, visible=True)

    return show


class Phases:
    """What data are opened with: a bar a phase. In a pipe a line, for phases that take a while.

    Call it with `(phase, done, total)`, `total` none where it is not known.
    """

    def __init__(self, progress: Progress) -> None:
        self.progress, self.drawn = progress, progress.console.is_terminal
        self.phase, self.next_line = "", 0.0
        self.task: TaskID | None = None

    def __call__(self, phase: str, done: int, total: int | None) -> None:
        if phase != self.phase:
            self.phase, self.next_line = phase, time.monotonic() + LONG_PHASE
            self.task = self.progress.add_task(phase, total=total, detail="", visible=False)
        if done != total:  # a phase that is over at its first call has no bar
            self.progress.update(self.task, visible=True)
        self.progress.update(self.task, completed=done, total=total)
        if not self.drawn and time.monotonic() >= self.next_line:
            self.next_line = time.monotonic() + QUIET_EVERY
            line(f"{phase}: {done:,}" + (f" of {total:,}" if total else ""))


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
