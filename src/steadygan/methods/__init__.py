"""Methods, discovered by file name: adding one adds one file here and nothing else.

A method file holds a docstring (what it is, paper, equations with their numbers) and a `recipe`,
or `recipes = {name: Recipe}` where one paper gives several; `presets = {name: {key: value}}` names
sets of overrides (`preset=paper`, `preset=light`); `vector_networks` stands in for the networks
where the data are vectors, with `vector_settings` as overrides.
"""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any

from steadygan import losses, parts  # noqa: F401 - makes every part known by name
from steadygan.errors import UserError, did_you_mean
from steadygan.game.recipe import Recipe
from steadygan.networks import Networks
from steadygan.recipes.overrides import override_all


@dataclass(frozen=True)
class Method:
    """What a method file says."""

    name: str
    doc: str
    recipe: Recipe
    presets: MappingProxyType[str, dict[str, Any]]
    vector_networks: Networks | None
    vector_settings: MappingProxyType[str, Any]

    @property
    def title(self) -> str:
        """The first paragraph of the docstring in one line: the method and its paper."""
        return " ".join(self.doc.split("\n\n")[0].split())

    def fitted(self, shape: tuple[int, ...]) -> Recipe:
        """The recipe for data of `shape`: for vectors with the method's networks and settings for
        them. A method that has none is for images, and refused."""
        if len(shape) != 1:
            return self.recipe
        if self.vector_networks is None:
            raise UserError(f"method {self.name} makes images: it cannot learn vectors")
        recipe = self.recipe.changed(networks=self.vector_networks)
        return override_all(recipe, self.vector_settings, f"method {self.name}")


@cache
def methods() -> dict[str, Method]:
    """Every method by name, in alphabetical order."""
    found: dict[str, Method] = {}
    for info in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{info.name}")
        own: dict[str, Any] = {info.name.replace("_", "-"): getattr(module, "recipe", None)}
        recipes: dict[str, Recipe] = getattr(module, "recipes", None) or own
        for name, recipe in recipes.items():
            found[name] = Method(
                name=name,
                doc=(module.__doc__ or "").strip(),
                recipe=recipe.changed(method=name),
                presets=MappingProxyType(getattr(module, "presets", {})),
                vector_networks=getattr(module, "vector_networks", None),
                vector_settings=MappingProxyType(getattr(module, "vector_settings", {})),
            )
    return dict(sorted(found.items()))


def find(name: str) -> Method:
    """The method called `name`; an unknown one is a `UserError` with the nearest name."""
    key = name.lower().replace("_", "-")
    if key not in methods():
        raise UserError(f"unknown method '{name}'{did_you_mean(key, methods())}")
    return methods()[key]
