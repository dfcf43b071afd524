"""A recipe from what a user asks for: method, preset, parts added and dropped, keys."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial

from steadygan.errors import UserError
from steadygan.game.part import Part
from steadygan.game.recipe import Recipe
from steadygan.methods import Method
from steadygan.recipes.overrides import override, override_all
from steadygan.spec import checked, importing_members

#: One change to a recipe; a `UserError` where it does not fit the recipe as it is.
Change = Callable[[Recipe], Recipe]


@importing_members()
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
        recipe = override_all(recipe, method.keys_of(preset, shape), f"preset {preset}")
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
    if problem := recipe.incompatibility_with_data(shape):
        raise UserError(f"{method.name} on vectors: {problem}" if len(shape) == 1 else problem)
    return recipe


def _without_part(recipe: Recipe, name: str) -> Recipe:
    return checked(f"--drop {name}", recipe.without, name)


def _with_part(recipe: Recipe, text: str) -> Recipe:
    part = checked(f"--add {text}", Part.read, text)
    return checked(f"--add {text}", recipe.with_, part)


@importing_members()
def keys_taken(
    method: Method, shape: tuple[int, ...], own: Mapping[str, str], shared: Mapping[str, str]
) -> dict[str, str]:
    """Which of a study's `shared` keys apply to `method` with its `own` keys.

    The name of a part is taken where the part fits; a key of a part, once the recipe has that part.
    """
    taken = {"preset": shared["preset"]} if "preset" in shared else {}
    recipe = compose(method, shape, {**taken, **own})
    waiting = {k: v for k, v in shared.items() if k not in taken and k not in own}
    progress = True
    while progress:
        progress = False
        for key, value in list(waiting.items()):
            part = key.replace("_", "-")
            if part in Part.members() and Part.named(part).incompatibility(recipe):
                continue
            if (changed := override(recipe, key, value)) is not None:
                recipe, progress = changed, True
                taken[key] = waiting.pop(key)
    return taken
