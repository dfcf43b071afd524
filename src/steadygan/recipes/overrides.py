"""Overrides: `key=value` text onto a recipe, resolved by the names that the recipe has.

batch=32                 a field of the recipe
objective=minimax        a spec by its name, with fields: prior=normal:dim=64
d_optimizer.lr=1e-4      a field of a spec of the recipe
width=32  lr=1e-4        a field of its networks, prior, optimizers or EMA, wherever it is
gradient-penalty.weight=5  a field of a part
critic_warmup=true       a part by its name, on or off
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from steadygan.errors import UserError, did_you_mean
from steadygan.game.part import Part
from steadygan.game.recipe import SIDES, Recipe, named_now
from steadygan.networks import OwnNetworks
from steadygan.spec import Spec, checked, split_commas

#: The specs of a recipe in which a plain key is looked for.
NESTED = ("networks", "prior", "d_optimizer", "g_optimizer", "ema")
HIDDEN = {"method", *SIDES}
ON, OFF = {"true", "yes", "on", "1"}, {"false", "no", "off", "0"}


def keys_of(recipe: Recipe) -> list[str]:
    """Every key that `override` takes for `recipe`, sorted, for messages and help."""
    keys = {k for k in type(recipe).model_fields if k not in HIDDEN} | {"optimizer"}
    for nested in NESTED:
        fields = type(getattr(recipe, nested)).model_fields
        keys |= {f"{nested}.{field}" for field in fields} | set(fields)
    for part in recipe.parts():
        keys |= {f"{part.name}.{field}" for field in type(part).model_fields}
    return sorted(keys)


def flat(recipe: Recipe) -> dict[str, Any]:
    """A recipe as JSON values by the keys that set them; a part that it has is "true"."""
    recorded = recipe.model_dump(mode="json")
    for side in SIDES:
        parts = zip(recorded[side], getattr(recipe, side), strict=True)
        recorded[side] = [{**fields, "name": part.name} for fields, part in parts]
    return flat_facts(recorded)


def flat_facts(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """`flat` of a recorded recipe, which is not rebuilt for it."""
    found: dict[str, Any] = {}

    def walk(value: Any, place: str) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                walk(inner, place if key == "name" else f"{place}.{key}")
        else:
            found[place] = value

    for key, value in named_now(dict(recorded)).items():
        if key in SIDES:
            for part in value or ():
                walk({**part, "name": "true"}, str(part.get("name")))
        elif key != "method":
            walk(value, key)
    return found


def override(recipe: Recipe, key: str, value: Any) -> Recipe | None:
    """The recipe with `key` set, or None if it has no such key. A bad value is a `UserError`."""
    where = f"{key}={value}"
    head, _, field = key.partition(".")
    head = head.replace("-", "_")
    if field:
        return _inside(recipe, head, field, value, where)
    if key in ("generator", "discriminator"):
        return checked(where, _own_network, recipe, key, value)
    if head == "optimizer" or (head in type(recipe).model_fields and head not in HIDDEN):
        return checked(where, recipe.changed, **{head: split_commas(type(recipe), head, value)})
    if (switched := _switched(recipe, head, value, where)) is not None:
        return switched
    changes = {
        nested: _set(getattr(recipe, nested), head, value, where)
        for nested in NESTED
        if head in type(getattr(recipe, nested)).model_fields
    }
    return checked(where, recipe.changed, **changes) if changes else None


def override_all(recipe: Recipe, settings: Mapping[str, Any], whose: str) -> Recipe:
    """The recipe with every key of `settings` set; an unknown key names the nearest one."""
    for key, value in settings.items():
        changed = override(recipe, key, value)
        if changed is None:
            raise UserError(f"{key}={value}: {whose} has no key '{key}'{suggest(key, recipe)}")
        recipe = changed
    return recipe


def suggest(key: str, recipe: Recipe) -> str:
    return did_you_mean(key, keys_of(recipe))


def _inside(recipe: Recipe, head: str, field: str, value: Any, where: str) -> Recipe | None:
    field = field.replace("-", "_")
    if head == "optimizer":
        both = {side: _set(getattr(recipe, side), field, value, where)
                for side in ("d_optimizer", "g_optimizer")
                if field in type(getattr(recipe, side)).model_fields}  # fmt: skip
        return checked(where, recipe.changed, **both) if both else None
    if head in type(recipe).model_fields and isinstance(getattr(recipe, head), Spec):
        spec = getattr(recipe, head)
        if field in type(spec).model_fields:
            return checked(where, recipe.changed, **{head: _set(spec, field, value, where)})
        return None
    for part in recipe.parts():
        if part.name == head.replace("_", "-") and field in type(part).model_fields:
            return checked(where, recipe.with_, _set(part, field, value, where))
    return None


def _set(spec: Spec, field: str, value: Any, where: str) -> Spec:
    """A copy of `spec` with one field read from `value` by the field's declared type."""
    fields = {name: getattr(spec, name) for name in type(spec).model_fields}
    read = split_commas(type(spec), field, value)
    return checked(where, type(spec), **{**fields, field: read})


def _switched(recipe: Recipe, name: str, value: Any, where: str) -> Recipe | None:
    """`PART=true` adds a part with its defaults, `PART=false` drops it."""
    name, text = name.replace("_", "-"), str(value).lower()
    if name not in Part.members():
        return None
    if text not in ON | OFF:
        raise UserError(f"{where}: {name} is a part: give true or false")
    present = name in [part.name for part in recipe.parts()]
    if text in OFF:
        return checked(where, recipe.without, name) if present else recipe
    return recipe if present else checked(where, recipe.with_, checked(where, Part.named, name))


def _own_network(recipe: Recipe, side: str, value: Any) -> Recipe:
    """A network of one's own as `module:qualname`; the other side must be given too."""
    networks = recipe.networks
    known = dict(networks) if isinstance(networks, OwnNetworks) else {}
    return recipe.changed(networks=OwnNetworks(**{"like": networks, **known, side: value}))
