"""Methods and recipes in words, for the terminal."""

from __future__ import annotations

import json

from steadygan.game.recipe import Recipe
from steadygan.methods import Method


def flat(recipe: Recipe) -> dict[str, str]:
    """A recipe as `key: value` lines; parts by their name."""
    found: dict[str, str] = {}

    def walk(value: object, place: str) -> None:
        if isinstance(value, dict):
            if "name" in value:
                found[place] = str(value["name"])
            for key, inner in value.items():
                if key != "name":
                    walk(inner, f"{place}.{key}" if place else key)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for part in value:
                walk(part, f"{place}.{part['name']}")
        else:
            found[place] = json.dumps(value, ensure_ascii=False)

    walk(recipe.model_dump(mode="json"), "")
    found.pop("method", None)
    return found


def sheet(method: Method) -> str:
    """Paper, equations, recipe and presets of one method."""
    lines = [method.name, "", method.doc, "", "Recipe"]
    lines += [f"  {key} = {value}" for key, value in flat(method.recipe).items()]
    for name, keys in method.presets.items():
        lines.append(f"preset={name}: " + " ".join(f"{k}={v}" for k, v in keys.items()))
    return "\n".join(lines)


def difference(one: Method, other: Method) -> str:
    """The keys in which two recipes differ, a line each."""
    a, b = flat(one.recipe), flat(other.recipe)
    keys = [key for key in sorted({*a, *b}) if a.get(key) != b.get(key)]
    width = max([len(key) for key in keys], default=0)
    left = max([len(a.get(key, "-")) for key in keys] + [len(one.name)])
    rows = [f"{'':{width}}  {one.name:{left}}  {other.name}"]
    rows += [f"{key:{width}}  {a.get(key, '-'):{left}}  {b.get(key, '-')}" for key in keys]
    return "\n".join(rows)
