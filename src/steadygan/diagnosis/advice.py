"""Advice applied to a recipe, and left out where the recipe refuses it or is so already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from steadygan.diagnosis.finding import Finding
from steadygan.errors import UserError
from steadygan.game.part import Part
from steadygan.game.recipe import Recipe
from steadygan.recipes.overrides import override_all
from steadygan.spec import checked
from steadygan.training.recorded import read_recipe


def changed(recipe: Recipe, settings: str) -> Recipe:
    """`recipe` with settings as advice gives them: key=value, --add PART, --drop PART. Raises
    `UserError` where it refuses one."""
    words = settings.split()
    keys: dict[str, Any] = {}
    while words:
        word = words.pop(0)
        if word == "--add":
            part = words.pop(0)
            recipe = checked(f"--add {part}", recipe.with_, Part.read(part))
        elif word == "--drop":
            recipe = recipe.without(words.pop(0))
        else:
            key, _, value = word.partition("=")
            keys[key] = value
    return override_all(recipe, keys, "advice")


def fitting(found: Sequence[Finding], recorded: Mapping[str, Any]) -> list[Finding]:
    """`found` without the settings that the recorded recipe refuses (`kernel=4` for networks
    without that key, a part that cannot stand beside another) or has already. All are kept where
    there is no recipe to try them on, as of a watched loop."""
    try:
        recipe = read_recipe(dict(recorded), Path("run.json"))
    except UserError:
        return list(found)
    return [
        replace(each, advice=tuple(a for a in each.advice if changes(recipe, a.settings)))
        for each in found
    ]


def changes(recipe: Recipe, settings: str) -> bool:
    """Whether `recipe` takes the settings and differs with them. Words alone always do."""
    try:
        return not settings or changed(recipe, settings) != recipe
    except UserError:
        return False
