"""A pre-training stage's own bar: steps, steps a second, time left, losses."""

from __future__ import annotations

import time

from rich.progress import Progress, TaskID

from steadygan.study.bars import QUIET_EVERY, line
from steadygan.training import Trainer

#: Seconds between two reports of a stage where there is a bar to draw.
OFTEN = 0.1


class StageBar:
    """Shows the current stage, under the bar of its run; call it with the trainer after each step.
    A bar is removed when its stage is done."""

    def __init__(self, progress: Progress, name: str) -> None:
        self.progress, self.name = progress, name
        self.drawn = progress.console.is_terminal
        self.stage = ""
        self.task: TaskID | None = None
        self.begun, self.first, self.last = 0.0, 0, 0.0

    def __call__(self, trainer: Trainer) -> None:
        stage = going_on(trainer)
        if stage != self.stage:
            self._turn_to(stage, trainer)
        if not stage:
            return
        now = time.monotonic()
        done, whole = trainer.stage_steps[stage], trainer.recipe.stage_length(stage)
        if now - self.last < (OFTEN if self.drawn else QUIET_EVERY) and done < whole:
            return
        self.last = now
        rate = (done - self.first) / (now - self.begun) if done > self.first else 0.0
        detail = self.detail(trainer, stage, rate)
        assert self.task is not None
        self.progress.update(self.task, completed=done, detail=detail)
        if not self.drawn:
            left = f"{(whole - done) / rate:.0f} s left" if rate else ""
            text = f"{self.name}, {stage}: {done / whole:4.0%}  {detail}  {left}"
            line(text)

    def _turn_to(self, stage: str, trainer: Trainer) -> None:
        if self.task is not None:
            self.progress.remove_task(self.task)
            self.task = None
        self.stage, self.begun, self.last = stage, time.monotonic(), 0.0
        if stage:
            self.first = trainer.stage_steps[stage]
            whole = trainer.recipe.stage_length(stage)
            self.task = self.progress.add_task(f"  {stage}", total=whole, detail="")

    def detail(self, trainer: Trainer, stage: str, rate: float) -> str:
        """Steps, rate and the last losses in words; reads them from the device."""
        done, whole = trainer.stage_steps[stage], trainer.recipe.stage_length(stage)
        update = trainer.last.get(stage)
        losses = update.losses.items() if update else ()
        said = [f"{name} {loss.item():.3g}" for name, loss in losses]
        return "  ".join([f"step {done:,} of {whole:,}", f"{rate:,.0f} steps/s", *said])


def going_on(trainer: Trainer) -> str:
    """The stage that ran last, before the first iteration; "" for none."""
    done = [
        stage for stage, steps in trainer.stage_steps.items() if steps and not trainer.iteration
    ]
    return done[-1] if done else ""
