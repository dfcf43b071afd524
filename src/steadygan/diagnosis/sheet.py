"""The method's sheet: the settings that a method has by itself, and what a run changes in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from steadygan.errors import UserError
from steadygan.game.recipe import SIDES, Recipe
from steadygan.methods import Method, find
from steadygan.recipes.overrides import flat, flat_facts, override_all


def changes_of(method: str, recipe: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """What a recorded recipe changes: the key, its value in the method's sheet and here. The sheet
    is the method's default or that of its presets which differs in the fewest keys; empty for a
    method that is not known. A part that only one of the two has is "true" there, None here."""
    try:
        known = find(method)
    except UserError:
        return {}
    sides = {side: recipe.get(side, ()) for side in SIDES}
    if not all(isinstance(parts, (list, tuple)) for parts in sides.values()):
        return {}
    here = flat_facts(recipe)
    found = [_differences(flat(sheet), here) for sheet in _sheets(known)]
    return min(found, key=len)


def _sheets(method: Method) -> Iterator[Recipe]:
    """The default and every preset, for images and, where the method can learn them, for points."""
    for shape in [(1, 28, 28), (2,)] if method.vector_networks else [(1, 28, 28)]:
        fitted = method.fitted(shape)
        yield fitted
        for preset in method.presets:
            yield override_all(fitted, method.keys_of(preset, shape), f"preset {preset}")


def _differences(there: dict[str, Any], here: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    return {
        key: (there.get(key), here.get(key))
        for key in sorted({*there, *here})
        if _plain(there.get(key)) != _plain(here.get(key))
    }


def _plain(value: Any) -> Any:
    return [_plain(v) for v in value] if isinstance(value, (list, tuple)) else value
