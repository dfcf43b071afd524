"""Methods and recipes in words, for the terminal."""

from __future__ import annotations

import json

from steadygan.game.recipe import Recipe
from steadygan.methods import Method, by_family, methods
from steadygan.recipes.overrides import flat

#: An iteration after any warm-up of the critic.
LATER = 10_001


def typed(recipe: Recipe) -> dict[str, str]:
    """A recipe as the keys and values that the command line takes; a part it has is `true`."""
    return {k: v if isinstance(v, str) else _said(v) for k, v in flat(recipe).items()}


def _said(value: object) -> str:
    """A value as one types it: texts of a list without the quotes that JSON puts around them."""
    if isinstance(value, list):
        return ",".join(each if isinstance(each, str) else _said(each) for each in value)
    return "none" if value is None else json.dumps(value)


def listing() -> str:
    """All methods by family: who each is by, and when to use it."""
    width = max(map(len, methods()))
    lines = ["Use this when ..."]
    for family, listed in by_family().items():
        lines += ["", family]
        for method in listed:
            lines.append(f"  {method.name:{width}}  {method.use_when}")
            lines.append(f"  {'':{width}}  ({method.work})")
    return "\n".join(lines)


def sheet(method: Method) -> str:
    """Paper, equations, recipe and presets of one method."""
    when = f"Use this when {method.use_when}."
    lines = [method.name, "", method.doc, "", when, "", "Recipe"]
    lines += [f"  {key} = {value}" for key, value in typed(method.recipe).items()]
    recipe = method.recipe
    iterations = recipe.ema.halflife_iterations(recipe.images_in(LATER))
    lines.append(
        f"The average of G that samples come from has a half-life of {iterations:.0f} steps: "
        "ema.halflife_images counts real images that D sees, batch x d_steps a step."
    )
    for name, keys in method.presets.items():
        lines.append(f"preset={name}: " + " ".join(f"{k}={v}" for k, v in keys.items()))
    return "\n".join(lines)


def difference(one: Method, other: Method) -> str:
    """The keys in which two recipes differ, a line each."""
    a, b = typed(one.recipe), typed(other.recipe)
    keys = [key for key in sorted({*a, *b}) if a.get(key) != b.get(key)]
    width = max([len(key) for key in keys], default=0)
    left = max([len(a.get(key, "-")) for key in keys] + [len(one.name)])
    rows = [f"{'':{width}}  {one.name:{left}}  {other.name}"]
    rows += [f"{key:{width}}  {a.get(key, '-'):{left}}  {b.get(key, '-')}" for key in keys]
    return "\n".join(rows)
