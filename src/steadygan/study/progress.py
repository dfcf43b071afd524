"""Progress in the terminal: a bar a run, one for a study. A few plain lines in a pipe."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rich.progress import Progress, TaskID

from steadygan.study.bars import QUIET_EVERY, line, repeating
from steadygan.study.stages import StageBar, going_on
from steadygan.training import Goal, Trainer

#: Seconds between two reports of a run where there is a bar to draw.
OFTEN = 0.1


class Pulse:
    """Reports the progress of a run, at most once `every` seconds and when its goal is reached.

    Call it with the trainer after each iteration; `tell(share, detail)` gets the share of the goal
    that is done and steps, images a second and losses in words. Losses are read from the device
    only when a report is due.
    """

    def __init__(self, goal: Goal, tell: Callable[[float, str], None], every: float) -> None:
        self.goal, self.tell, self.every = goal, tell, every
        self.last, self.rate = 0.0, 0.0
        self.images: int | None = None

    def __call__(self, trainer: Trainer) -> None:
        now = time.monotonic()
        if now - self.last < self.every and not self.goal.reached(
            trainer.iteration, trainer.seconds
        ):
            return
        if self.images is not None and now > self.last:
            self.rate = (trainer.images - self.images) / (now - self.last)
        self.last, self.images = now, trainer.images
        trainer.settle()  # no loss is shown of a step that is then played again
        self.tell(self.share(trainer), self.detail(trainer))

    def share(self, trainer: Trainer) -> float:
        if self.goal.steps is not None:
            return min(1.0, trainer.iteration / self.goal.steps)
        assert self.goal.budget_seconds is not None  # a goal has one of the two
        return min(1.0, trainer.seconds / self.goal.budget_seconds)

    def detail(self, trainer: Trainer) -> str:
        stage = going_on(trainer)
        where = f"step {trainer.iteration:,}  {self.rate:,.0f} images/s"
        if stage:
            where = f"{stage} {trainer.stage_steps[stage]:,}/{trainer.recipe.stage_length(stage):,}"
        losses = [
            f"{player} {sum(loss.item() for loss in update.losses.values()):.3g}"
            for player, update in trainer.last.items()
        ]
        return "  ".join([where, "loss " + " ".join(losses)])


class RunBar(Pulse):
    """The bar of a run in this process, as a context; plain lines where there is no terminal."""

    def __init__(self, progress: Progress, name: str, goal: Goal) -> None:
        drawn = progress.console.is_terminal
        super().__init__(goal, self.show, OFTEN if drawn else QUIET_EVERY)
        self.progress, self.name, self.drawn = progress, name, drawn
        self.task = progress.add_task(name, total=1.0, detail="first step")
        self.stage = StageBar(progress, name)
        self.begun: Callable[[], None] = lambda: None

    def __enter__(self) -> RunBar:
        # A step of a large network may take minutes on a CPU, and nothing is reported inside it.
        if not self.drawn:
            self.begun = repeating(f"{self.name}: in its first step", QUIET_EVERY)
        return self

    def __exit__(self, *_: object) -> None:
        self.begun()

    def __call__(self, trainer: Trainer) -> None:
        self.begun()
        self.stage(trainer)
        super().__call__(trainer)

    def show(self, share: float, detail: str) -> None:
        self.progress.update(self.task, completed=share, detail=detail)
        if not self.drawn:
            line(f"{self.name}: {share:4.0%}  {detail}")


class StudyBars:
    """The bar of a study and one of each run that is worked on, fed with the workers' events.

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
            self.progress.console.print(text, markup=False, highlight=False, emoji=False)
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
