"""Methods, discovered by file name: adding one adds one file here and nothing else.

A method file holds a docstring (what it is, paper, equations with their numbers) and a `recipe`,
or `recipes = {name: Recipe}` where one paper gives several; `presets = {name: {key: value}}` names
sets of overrides (`preset=paper`, `preset=light`); `vector_networks` stands in for the networks
where the data are vectors, with `vector_settings` as overrides. `family` is one of `FAMILIES`;
`use_when` goes on "use this when ...", as a text, or as one by name for several recipes.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any

from steadygan import losses, parts  # noqa: F401 - makes every part known by name
from steadygan.errors import UserError, did_you_mean
from steadygan.game.recipe import Recipe
from steadygan.networks import Networks
from steadygan.recipes.overrides import override_all

#: In the order in which methods are listed.
FAMILIES = (
    "first GANs", "least squares", "critics", "spectral norm", "attention", "auto-encoders",
    "decoding constraint", "relativistic, local penalties", "labels and codes", "features",
    "few images",
)  # fmt: skip


@dataclass(frozen=True)
class Method:
    """What a method file says."""

    name: str
    doc: str
    recipe: Recipe
    presets: MappingProxyType[str, dict[str, Any]]
    vector_networks: Networks | None
    vector_settings: MappingProxyType[str, Any]
    family: str
    use_when: str

    @property
    def title(self) -> str:
        """The first paragraph of the docstring in one line: the method and its paper."""
        return " ".join(self.doc.split("\n\n")[0].split())

    @property
    def work(self) -> str:
        """The title up to the year: the method's name and who it is by."""
        found = re.match(r".*?\d{4}", self.title)
        return found.group().replace(". ", ", ", 1) if found else self.title

    def fitted(self, shape: tuple[int, ...]) -> Recipe:
        """The recipe for data of `shape`: for vectors with the method's networks and settings for
        them. A method that has none is for images, and refused."""
        if len(shape) != 1:
            return self.recipe
        if self.vector_networks is None:
            raise UserError(f"method {self.name} makes images: it cannot learn vectors")
        recipe = self.recipe.changed(networks=self.vector_networks)
        return override_all(recipe, self.vector_settings, f"method {self.name}")

    def keys_of(self, preset: str, shape: tuple[int, ...]) -> dict[str, Any]:
        """The keys of a preset for data of `shape`; those of image networks are left out for
        vectors. Raises UserError for a preset that the method does not have."""
        if preset not in self.presets:
            near = did_you_mean(preset, self.presets)
            raise UserError(f"preset={preset}: method {self.name} has no such preset{near}")
        of_images = {"networks", *type(self.recipe.networks).model_fields}
        foreign = of_images if len(shape) == 1 else set()
        return {k: v for k, v in self.presets[preset].items() if k not in foreign}


@cache
def methods() -> dict[str, Method]:
    """Every method by name, in alphabetical order."""
    found: dict[str, Method] = {}
    for info in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{info.name}")
        own: dict[str, Any] = {info.name.replace("_", "-"): getattr(module, "recipe", None)}
        recipes: dict[str, Recipe] = getattr(module, "recipes", None) or own
        use_when = getattr(module, "use_when", "")
        for name, recipe in recipes.items():
            found[name] = Method(
                name=name,
                doc=(module.__doc__ or "").strip(),
                recipe=recipe.changed(method=name),
                presets=MappingProxyType(getattr(module, "presets", {})),
                vector_networks=getattr(module, "vector_networks", None),
                vector_settings=MappingProxyType(getattr(module, "vector_settings", {})),
                family=getattr(module, "family", ""),
                use_when=use_when if isinstance(use_when, str) else use_when.get(name, ""),
            )
    return dict(sorted(found.items()))


def by_family() -> dict[str, list[Method]]:
    """The methods of each family, in the order of `FAMILIES`, and within one in that of the
    alphabet; those of no known family last."""
    found: dict[str, list[Method]] = {family: [] for family in FAMILIES}
    for method in methods().values():
        found.setdefault(method.family if method.family in FAMILIES else "others", []).append(
            method
        )
    return {family: listed for family, listed in found.items() if listed}


def find(name: str) -> Method:
    """The method called `name`; an unknown one is a `UserError` with the nearest name."""
    key = name.lower().replace("_", "-")
    if key not in methods():
        raise UserError(f"unknown method '{name}'{did_you_mean(key, methods())}")
    return methods()[key]
