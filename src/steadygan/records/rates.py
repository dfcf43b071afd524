"""Learning rates that end: whether more training of a recorded run would move its weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def rates_ended(facts: Mapping[str, Any]) -> bool:
    """Whether a run has used up its horizon and a learning rate fell to 0 over it: at the same
    horizon more training moves no weight of that player. `facts` is run.json."""
    recipe, images = facts.get("recipe"), _of(facts, "status", "images")
    horizon = _of(facts, "recipe", "horizon_images")
    if not isinstance(recipe, Mapping) or images is None or not horizon or images < 0.95 * horizon:
        return False
    return any(_of(recipe, f"{player}_optimizer", "lr_end") == 0 for player in "dg")


def later_horizon(facts: Mapping[str, Any], factor: float) -> int:
    """The horizon at which the rates of a run end that goes on to `factor` times its length."""
    return round(factor * (_of(facts, "status", "images") or 0))


def _of(facts: Mapping[str, Any], *keys: str) -> float | None:
    found: Any = facts
    for key in keys:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found if isinstance(found, (int, float)) else None
