"""R18: every method with every objective and every part plays a turn, or is refused before there is
a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from steadygan.data import Dataset, DataSettings, open_data
from steadygan.errors import UserError
from steadygan.game.objective import Objective
from steadygan.game.part import Part
from steadygan.game.recipe import Recipe
from steadygan.methods import find
from steadygan.study.compose import compose
from steadygan.training import Trainer
from steadygan.training.loop import needs_double_backward
from steadygan.training.precision import place
from steadygan.training.runfolder import RunFolder
from tests.reliability import games

#: Parts whose defaults are large.
LESS = {
    "critic-warmup": "critic-warmup:d_steps=2",
    "minibatch-discrimination": "minibatch-discrimination:kernels=3,dims=2",
    "replay": "replay:capacity=4",
}
#: Keys of an objective or a part to add.
Pair = tuple[dict[str, str], tuple[str, ...]]


def pairs() -> list[Pair]:
    """Every objective and every part of the library, without those of tests."""
    objectives, parts = (
        sorted(
            n for n, kind in family.members().items() if kind.__module__.startswith("steadygan.")
        )
        for family in (Objective, Part)
    )
    return [*(({"objective": name}, ()) for name in objectives),
            *(({}, (LESS.get(name, name),)) for name in parts)]  # fmt: skip


def composed(method: str, shape: tuple[int, ...], pair: Pair) -> Recipe | str:
    """The pair's recipe, or the line that refuses it, which must name what was asked for."""
    keys, add = pair
    try:
        return compose(find(method), shape, keys, add)
    except UserError as error:
        said = str(error)
        asked = keys.get("objective") or add[0].partition(":")[0]
        assert asked in said, f"{method} {pair}: {said}"
        assert "\n" not in said
        return said


def played(recipe: Recipe, data: Dataset) -> None:
    """A step of each stage and a turn; the guard raises where a number is not finite."""
    stages = {} if len(data.shape) == 3 else {"stages": 0}
    recipe = games.small(recipe, data.shape, **{"batch": 4, **stages})
    placed = place("cpu", "fp32", needs_double_backward(recipe))
    trainer = Trainer(recipe, data, RunFolder(Path("unused")), 0, placed)
    for stage in recipe.stages:
        trainer.take_stage_step(stage)
    trainer.iterate()


def walked(
    method: str, data: Dataset, one_in: int = 1, first: int = 0, tick: Callable = lambda: None
) -> tuple[int, int]:
    """Compose all pairs of a method, and play one in so many of those that are not refused, from
    the `first`: how many were composed and how many refused."""
    refused = 0
    for i, pair in enumerate(pairs()):
        recipe = composed(method, data.shape, pair)
        if isinstance(recipe, str):
            refused += 1
        elif i % one_in == first % one_in:
            played(recipe, data)
        tick()
    return len(pairs()) - refused, refused


def points() -> Dataset:
    """The ring of eight Gaussians."""
    return open_data("ring", DataSettings())


def every_pair(method: str, tick: Callable) -> str:
    """All pairs of a method on images, and on points where it learns them."""
    plays, refused = walked(method, games.images(), tick=tick)
    if find(method).vector_networks is not None:
        more = walked(method, points())
        plays, refused = plays + more[0], refused + more[1]
    return f"{plays} pairs played, {refused} refused"
