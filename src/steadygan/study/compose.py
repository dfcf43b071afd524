"""A recipe from what a user asks for: method, preset, parts added and dropped, keys."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial

from steadygan.errors import UserError, did_you_mean
from steadygan.game.overrides import keys_of, override_all
from steadygan.game.parts import Part
from steadygan.game.recipe import Recipe
from steadygan.methods import Method
from steadygan.spec import checked

#: One change to a recipe; a `UserError` where it does not fit the recipe as it is.
Change = Callable[[Recipe], Recipe]


def compose(
    method: Method,
    shape: tuple[int, ...],
    keys: Mapping[str, str],
    add: Iterable[str] = (),
    drop: Iterable[str] = (),
) -> Recipe:
    """The recipe of `method` for data of `shape`: preset= first, then --drop, --add and keys.

    Their order does not matter: what does not fit yet (a part that wants another objective, a key
    of a part that is still to come) is tried again after the others.
    """
    recipe = method.fitted(shape)
    keys = dict(keys)
    if (preset := keys.pop("preset", None)) is not None:
        recipe = override_all(recipe, preset_of(method, preset, recipe), f"preset {preset}")
    whose = f"method {method.name}"
    waiting: list[Change] = [
        *(partial(_without_part, name=name) for name in drop),
        *(partial(_with_part, text=text) for text in add),
        *(partial(override_all, settings={k: v}, whose=whose) for k, v in keys.items()),
    ]
    while waiting:
        refused: list[tuple[Change, UserError]] = []
        for change in waiting:
            try:
                recipe = change(recipe)
            except UserError as error:
                refused.append((change, error))
        if len(refused) == len(waiting):
            raise refused[0][1]
        waiting = [change for change, _ in refused]
    return recipe


def _without_part(recipe: Recipe, name: str) -> Recipe:
    return recipe.without(name)


def _with_part(recipe: Recipe, text: str) -> Recipe:
    part = checked(f"--add {text}", Part.read, text)
    return checked(f"--add {text}", recipe.with_, part)


def preset_of(method: Method, preset: str, recipe: Recipe) -> dict:
    """The keys of a preset; those of networks that this data does not use are left out."""
    if preset not in method.presets:
        raise UserError(
            f"preset={preset}: method {method.name}{did_you_mean(preset, method.presets)}"
        )
    if recipe.networks.name != method.recipe.networks.name:
        foreign = set(type(method.recipe.networks).model_fields)
        return {k: v for k, v in method.presets[preset].items() if k not in foreign}
    return dict(method.presets[preset])


def has_key(method: Method, key: str) -> bool:
    """True where `key=` means something to `method` (a part's name does for every method)."""
    recipe = method.recipe
    part = key.replace("_", "-")
    known = {k.replace("-", "_") for k in keys_of(recipe)} | {
        "preset",
        "generator",
        "discriminator",
    }
    return key.replace("-", "_") in known or (part in Part.members() and fits(recipe, part))


def fits(recipe: Recipe, part: str) -> bool:
    """True where the part of this name can stand in the recipe."""
    return Part.named(part).misfit(recipe) is None
