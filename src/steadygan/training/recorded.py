"""What run.json and study.json say of a run, made again: its recipe, data, goal and cadence."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from steadygan.data import Dataset, DataSettings, open_data
from steadygan.errors import UserError
from steadygan.game.recipe import Recipe
from steadygan.methods import methods
from steadygan.networks.own import imports_of
from steadygan.records import named_in
from steadygan.spec import checked
from steadygan.training.goals import Cadence, Goal


def read_recipe(fields: dict[str, Any], where: Path) -> Recipe:
    """The recipe that the file `where` holds, to look at: of its method's own class where it has
    one. To build it, take `recorded_recipe`."""
    method = fields.get("method")
    known = methods().get(method) if isinstance(method, str) else None
    return checked(f"{where}: recipe", type(known.recipe) if known else Recipe, **fields)


def recorded_recipe(
    fields: dict[str, Any], where: Path, trust_code: bool, say: Callable[[str], None]
) -> Recipe:
    """The recipe that the file `where` holds, to build its networks."""
    recipe = read_recipe(fields, where)
    require_trusted(recipe, where, trust_code, say)
    return recipe


def require_trusted(
    recipe: Recipe,
    where: Path,
    trust_code: bool,
    say: Callable[[str], None],
    given: Recipe | None = None,
) -> None:
    """Before the networks of a recipe from the file `where` are built: it may name some of the
    user's own, which are then imported: code of whoever wrote the file. That is refused without
    `trust_code`, and said with it. What the recipe `given` by the caller names is the caller's.
    """
    names = [name for name in imports_of(recipe) if name not in imports_of(given)]
    if names:
        listed = ", ".join(names)
        if not trust_code:
            raise UserError(
                f"{where}: its networks are code of its own, {listed}, which would be imported "
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


def recorded_cadence(facts: dict[str, Any], run: Path) -> Cadence:
    return checked(f"{run / 'run.json'}: cadence", Cadence, **facts.get("cadence", {}))
