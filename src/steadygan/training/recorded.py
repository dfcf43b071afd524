"""What run.json and study.json say of a run, made again: its recipe, data, goal and log
schedule."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from steadygan.data import Dataset, DataSettings, open_data
from steadygan.errors import UserError
from steadygan.game.recipe import Recipe, named_now
from steadygan.methods import methods
from steadygan.networks.own import imports_of, own_members
from steadygan.records import named_in
from steadygan.spec import checked
from steadygan.training.goals import Goal, LogSchedule


def read_recipe(fields: dict[str, Any], where: Path) -> Recipe:
    """The recipe that the file `where` holds, to look at: of its method's own class where it has
    one. To build it, take `recorded_recipe`."""
    method = fields.get("method")
    known = methods().get(method) if isinstance(method, str) else None
    return checked(f"{where}: recipe", type(known.recipe) if known else Recipe, **fields)


def recipe_now(fields: dict[str, Any], where: Path) -> dict[str, Any]:
    """The fields of a recipe that the file `where` holds with those that recipes have now, at what
    was meant before they were there; unchanged where it cannot be read."""
    fields = named_now(fields)
    try:
        return read_recipe(fields, where).model_dump(mode="json")
    except UserError:
        return fields


def recorded_recipe(
    fields: dict[str, Any], where: Path, trust_code: bool, say: Callable[[str], None]
) -> Recipe:
    """The recipe that the file `where` holds, to build its networks."""
    import_members(fields, where, trust_code, say)
    return read_recipe(fields, where)


def import_members(
    fields: dict[str, Any], where: Path, trust_code: bool, say: Callable[[str], None]
) -> None:
    """Import the losses and parts that a recipe from the file `where` names as `module:Class`,
    where that is trusted: `read_recipe` imports nothing."""
    require_trusted(fields, where, trust_code, say)
    for name in own_members(fields):
        with suppress(ImportError):  # said, with its place, when the recipe is read
            importlib.import_module(name.partition(":")[0])


def require_trusted(
    recipe: Recipe | dict[str, Any],
    where: Path,
    trust_code: bool,
    say: Callable[[str], None],
    given: Recipe | dict[str, Any] | None = None,
) -> None:
    """Before a recipe from the file `where` is built: it may name networks, losses and parts of a
    user's own, which are then imported: code of the file's author. That is refused without
    `trust_code`, and said with it. What the recipe `given` by the caller names is the caller's.
    """
    names = [name for name in imports_of(recipe) if name not in imports_of(given)]
    if names:
        listed = ", ".join(names)
        if not trust_code:
            raise UserError(
                f"{where}: its recipe names code of its own, {listed}, which would be imported "
                f"and run from {os.getcwd()}; if you trust it, give --trust-code (in Python "
                "trust_code=True)"
            )
        say(f"importing {listed}, named in {where}")


def recorded_data(facts: dict[str, Any], run: Path) -> Dataset:
    """The data set that a run was trained on, opened as for its training."""
    where = f"{run / 'run.json'}: data"
    settings = checked(f"{where}.settings", DataSettings, **facts["data"]["settings"])
    with named_in(where):
        return open_data(facts["data"]["spec"], settings)


def recorded_goal(facts: dict[str, Any]) -> Goal:
    """The goal of a run.json's `goal`, or of a study.json, which holds its keys itself."""
    return Goal(facts.get("steps"), facts.get("budget_seconds"))


def recorded_schedule(facts: dict[str, Any], run: Path) -> LogSchedule:
    return checked(f"{run / 'run.json'}: cadence", LogSchedule, **facts.get("cadence", {}))
