"""Curves of a method over its seeds: mean and range, on a grid to which all seeds are
interpolated."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from steadygan.report.charts import Values, column
from steadygan.report.read import AXES, Run, families
from steadygan.stability.signals import number

MOST_PLACES = 160
#: A seed whose curve ends before this share of the longest one ended early; the others are drawn up
#: to a common end.
WHOLE = 0.95

Points = list[tuple[float, float]]


@dataclass(frozen=True)
class Band:
    """One method's curve, in the style of its first run: on each of the page's axes the places `x`,
    the mean `y` over the seeds there, their `low` and `high`, and their number (`n`)."""

    run: int
    name: str
    axes: list[dict[str, list[Any]]]

    @property
    def values(self) -> list[float]:
        """Every value that is drawn over images seen or, where these are unknown, over another
        axis."""
        over = dict(zip(AXES, self.axes, strict=True))
        at = next(over[axis] for axis in ("images", *AXES) if over[axis]["y"])
        return [*at["low"], *at["high"]]


def bands(runs: list[Run], columns: Sequence[Values]) -> list[Band]:
    """A band for each method that has a number in `columns`, one column a run, one number (or
    None) a line of its history."""
    found = []
    for name, members in families(runs).items():
        if any(value is not None for index in members for value in columns[index]):
            axes = [
                over_seeds([_points(runs[index], axis, columns[index]) for index in members])
                for axis in AXES
            ]
            if any(at["y"] for at in axes):
                found.append(Band(members[0], name, axes))
    return found


def over_seeds(seeds: list[Points]) -> dict[str, list[Any]]:
    """The mean and range over curves, each interpolated between its own points and none beyond
    its ends: a seed that ended early is left out after its end."""
    seeds = [points for points in seeds if points]
    found: dict[str, list[Any]] = {"x": [], "y": [], "low": [], "high": [], "n": []}
    for place in _places(seeds):
        values = [v for points in seeds if (v := interpolated(points, place)) is not None]
        if values:
            mean = sum(values) / len(values)
            for key, value in zip(found, (place, mean, min(values), max(values)), strict=False):
                found[key].append(float(f"{value:.{7 if key == 'x' else 5}g}"))
            found["n"].append(len(values))
    return found


def interpolated(points: Points, place: float) -> float | None:
    """The value at `place` of straight lines between points of rising x; None beyond them."""
    if not points[0][0] <= place <= points[-1][0]:
        return None
    after = bisect_left(points, (place, float("-inf")))
    (x1, y1) = points[after]
    if x1 == place:
        return y1
    (x0, y0) = points[after - 1]
    return y0 + (y1 - y0) * (place - x0) / (x1 - x0)


def _places(seeds: list[Points]) -> list[float]:
    """Where the seeds are compared: at all their places, evenly spaced where these are too many;
    from the latest start to the earliest end of those that did not end early."""
    if not seeds:
        return []
    start = max(points[0][0] for points in seeds)
    longest = max(points[-1][0] for points in seeds)
    stop = min(points[-1][0] for points in seeds if points[-1][0] >= WHOLE * longest)
    every = sorted({x for points in seeds for x, _ in points if start <= x <= stop} | {stop})
    if len(every) <= MOST_PLACES:
        return every
    step = (stop - start) / (MOST_PLACES - 1)
    return [*(start + step * i for i in range(MOST_PLACES - 1)), stop]


def _points(run: Run, axis: str, values: Values) -> Points:
    """Where a run has a number, by rising place; of two at one place the later."""
    known = {
        x: value
        for line, value in zip(run.history, values, strict=True)
        if value is not None and (x := number(line.get(axis))) is not None
    }
    return sorted(known.items())


def columns_of(runs: list[Run], key: str) -> list[list[float | None]]:
    """One key of all histories."""
    return [column(run, key) for run in runs]
