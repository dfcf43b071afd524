"""A recipe's horizon fitted to the length of a run, so that its schedules run their course.

Schedules follow the images seen over `horizon_images` (`game/optimizers.py`). That is a method's
own, millions of images: a run of minutes ends at a hundredth of it, its learning rates where they
began. `horizon=budget` makes it what the run will see. It is then a setting of the recipe like any
other, recorded in run.json: a resumed run follows the same curve, whatever its new goal.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from steadygan.data import Dataset
from steadygan.errors import UserError
from steadygan.game.recipe import Recipe
from steadygan.training.goals import Goal
from steadygan.training.graphs import WARM_UP as CAPTURED_AFTER
from steadygan.training.loop import Trainer, needs_double_backward
from steadygan.training.precision import Precision, place
from steadygan.training.runfolder import RunFolder

#: Iterations before the speed is measured, and the seconds and iterations that it is taken over.
WARM_UP, SECONDS, LEAST = 3, 2.0, 3


def fitted_to(
    recipe: Recipe,
    data: Dataset,
    goal: Goal,
    device: str = "auto",
    precision: Precision = "auto",
    exact: bool = False,
    graphs: bool = True,
    say: Callable[[str], None] = lambda text: None,
) -> Recipe:
    """`recipe` with the images of a run to `goal` as its horizon, said with what they follow from.

    Raises `UserError` for a budget that pre-training takes an unknown share of.
    """
    if goal.steps is None and any(recipe.stage_length(stage) for stage in recipe.stages):
        raise UserError(
            f"horizon=budget: {recipe.method} trains {', '.join(recipe.stages)} first, for an "
            "unknown share of the budget; give --steps"
        )
    horizon, said = images_to(goal, recipe, data, device, precision, exact, graphs)
    say(f"horizon: {horizon:,} images, those of {said}")
    return recipe.changed(horizon_images=max(1, horizon))


def images_to(
    goal: Goal, recipe: Recipe, data: Dataset, device: str, precision: Precision,
    exact: bool = False, graphs: bool = True,
) -> tuple[int, str]:  # fmt: skip
    """How many real images D sees in a run to `goal`, and what that is from in words: exact for
    steps; for a budget by the speed of a few iterations on this machine."""
    if goal.steps is not None:
        seen = sum(recipe.images_in(iteration) for iteration in range(goal.steps))
        return seen, f"{goal.steps:,} steps"
    assert goal.budget_seconds is not None  # a goal has one of the two
    speed = images_a_second(recipe, data, device, precision, exact, graphs)
    return round(speed * goal.budget_seconds), f"{goal.budget_seconds:g} s at {speed:,.0f} images/s"


def images_a_second(
    recipe: Recipe, data: Dataset, device: str, precision: Precision, exact: bool = False,
    graphs: bool = True,
) -> float:  # fmt: skip
    """How many real images D sees a second, by a few iterations on fresh networks."""
    with torch.random.fork_rng(), tempfile.TemporaryDirectory() as nowhere:
        placed = place(device, precision, needs_double_backward(recipe), exact, graphs)
        trainer = Trainer(recipe, data, RunFolder(Path(nowhere)), 0, placed)
        on_gpu = placed.device.type == "cuda"  # where graphs are captured first
        for _ in range(CAPTURED_AFTER + 2 if on_gpu else WARM_UP):
            trainer.iterate()
        trainer.settle()
        images, started, done, processes = trainer.images, time.perf_counter(), 0, trainer.processes
        while processes.most(done < LEAST or time.perf_counter() - started < SECONDS)[0]:
            trainer.iterate()
            done += 1
        trainer.settle()  # a GPU may be behind
        (speed,) = processes.most((trainer.images - images) / (time.perf_counter() - started))
        return speed
