"""Facts of the players from a run's logged steps: was D saturated, did G still get a gradient?

Plain arithmetic on lines of history.jsonl; a signal that a method does not log is ignored.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

#: D is saturated at a step where its accuracy or its probabilities reach this share; G's gradient
#: has vanished below, or exploded above, these norms.
SURE = 0.99
STARVED, EXPLODED = 1e-6, 100.0

Line = Mapping[str, Any]


def number(value: Any) -> float | None:
    """`value` as a finite float, or None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        found = float(value)
    except OverflowError:  # an integer beyond floats, which JSON may hold
        return None
    return found if math.isfinite(found) else None


def share(lines: Sequence[Line], asked: Callable[[Line], bool | None]) -> float | None:
    """The share of lines for which `asked` says True, of those for which it is not None."""
    answers = [answer for line in lines if (answer := asked(line)) is not None]
    return sum(answers) / len(answers) if answers else None


def is_saturated(line: Line) -> bool | None:
    """Whether D was saturated at a logged step; None for a critic."""
    pairs = (
        (number(line.get("d_accuracy_real")), number(line.get("d_accuracy_fake"))),
        (number(line.get("d_real_probability")), complement(line.get("d_fake_probability"))),
    )
    known = [min(a, b) for a, b in pairs if a is not None and b is not None]
    return any(least >= SURE for least in known) if known else None


def complement(value: Any) -> float | None:
    known = number(value)
    return None if known is None else 1.0 - known


def is_starved(line: Line) -> bool | None:
    """Whether G's gradient had vanished or exploded at a logged step."""
    norm = number(line.get("g_gradient_norm"))
    return None if norm is None else not STARVED <= norm <= EXPLODED
