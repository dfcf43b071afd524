"""The curve of a run's distance to real data, and quantities derived from it.

A measured distance has a level that real samples have too (`Levels.real`, its bias at that count)
and a spread due to the draw alone. Ratios of such distances compare noise once a run is good, so
every ratio here is one of excesses: how far a distance lies above the level of real samples, at
least the floor below which the two cannot be told apart.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import linear_regression
from typing import Any

from steadygan.stability.signals import number

#: The history keys of the distance that stability is about: of points, and of the features of
#: images that are too few for FID or its level; of images. The first that there is counts.
DISTANCES = ("energy_distance", "fid")
#: Distances within this many standard deviations of the real level count as that level: with about
#: normal draws a distance of real samples exceeds it by chance once in 740 evaluations.
FLOOR_DEVIATIONS = 3.0
#: Where the deviation was not recorded (runs from before it was), the floor is this share of the
#: real level. Measured floors of 2,000 samples: grid .55, the shipped MNIST .79, ring 1.13 of it.
FLOOR_SHARE = 0.8
#: An evaluation whose excess is this many times the least before it is a relapse.
RELAPSE = 1.5
#: Samples are usable when this share of the distance from noise to real data is covered.
USABLE = 0.9
#: The steadiness of a run is computed from its curve at this many equal shares of it.
GRID = 10
#: Fewer evaluations after the start, or a longer stretch (a share of the run) without one, say too
#: little about what happened between them.
FEWEST, LONGEST_GAP = 5, 0.4
_TINY = 1e-9


@dataclass(frozen=True)
class Point:
    """One evaluation: the distance to real data after so many images and seconds of training;
    a distance that is not finite counts as infinite."""

    images: int
    seconds: float
    distance: float


@dataclass(frozen=True)
class Levels:
    """Reference levels of the distance, at the count of an evaluation; None where unknown.

    `real`: that of real samples, the mean over draws of them; `real_sd`: the standard deviation
    over these draws; `noise`: that of uniform noise.
    """

    real: float | None = None
    noise: float | None = None
    real_sd: float | None = None

    @property
    def known(self) -> bool:
        return self.real is not None and self.noise is not None

    @property
    def floor(self) -> float:
        """The excess below which a sampler cannot be told from real data."""
        real = self.real or 0.0
        if self.real_sd is None:
            return max(FLOOR_SHARE * real, _TINY)
        return max(FLOOR_DEVIATIONS * self.real_sd, _TINY)

    def excess(self, distance: float) -> float:
        """How far a distance lies above the real level, `floor` at least; infinite for a distance
        that is not finite."""
        if not math.isfinite(distance):
            return math.inf
        return max(distance - (self.real or 0.0), self.floor)

    def usable(self, distance: float) -> bool:
        """Whether `USABLE` of the distance from noise to real data is covered."""
        return self.known and distance <= self.usable_limit

    @property
    def usable_limit(self) -> float:
        assert self.noise is not None  # only asked where the levels are `known`
        assert self.real is not None
        return self.noise - USABLE * (self.noise - self.real)


def levels_of(evaluation: Mapping[str, Any]) -> Levels:
    """The levels that run.json records under `evaluation`."""
    return Levels(*(number(evaluation.get(key)) for key in ("real", "noise", "real_sd")))


def points_of(history: Iterable[Mapping[str, Any]]) -> list[Point]:
    """The evaluations among the logged lines of a run."""
    return [
        Point(int(line["images"]), float(line["seconds"]), or_inf(distance))
        for line, distance in evaluations_in(history)
    ]


def evaluations_in(
    history: Iterable[Mapping[str, Any]],
) -> list[tuple[Mapping[str, Any], float | None]]:
    """The lines of a run that hold its distance, with it. Different distances do not compare: of a
    run whose earlier lines hold another one, those of the first of `DISTANCES`."""
    lines = list(history)
    for key in DISTANCES:
        if found := [(line, number(line[key])) for line in lines if key in line]:
            return found
    return []


def late_slope(course: Sequence[tuple[float, float]]) -> float | None:
    """How a distance goes on in the last half of a run: the slope of log distance over log x, a
    straight line through all evaluations there, so that no single one decides. `course`: (steps or
    images, a distance above 0) in order. None with fewer than three in that half."""
    half = [(x, y) for x, y in course if x >= course[-1][0] / 2 and x > 0 and y > 0]
    if len({x for x, _ in half}) < 3:
        return None
    return linear_regression(*([math.log(each) for each in axis]
                               for axis in zip(*half, strict=True))).slope  # fmt: skip


def distance_in(line: Mapping[str, Any]) -> float | None:
    """The distance that an evaluation found, None where it is not finite or there is none."""
    return next((number(line[key]) for key in DISTANCES if key in line), None)


def or_inf(distance: float | None) -> float:
    return math.inf if distance is None or not math.isfinite(distance) else distance


def ratio(a: float, b: float) -> float:
    """a / b of two excesses; infinite where `a` is."""
    return a / b if math.isfinite(a) else math.inf


def relapses(excesses: Sequence[float]) -> float:
    """The share of evaluations over `RELAPSE` times the best before them, or not finite."""
    best, worse = math.inf, 0
    for excess in excesses:
        worse += ratio(excess, best) > RELAPSE
        best = min(best, excess)
    return worse / len(excesses)


def worst_jump(excesses: Sequence[float]) -> float:
    """The largest ratio of an evaluation to the one before it; needs two."""
    return max(ratio(after, before) for before, after in pairwise(excesses))


def learned(start: float, best: float, floor: float) -> float | None:
    """The share of the way from an excess of `start` to `floor` that the `best` one covers.

    log(start / best) / log(start / floor), within 0 to 1: each halving of the excess counts the
    same, so that 400 to 200 is a small part of the way. None where the start is at the floor.
    """
    if not (math.isfinite(start) and start > floor):
        return None
    if not math.isfinite(best):
        return 0.0
    return min(1.0, max(0.0, math.log(start / best) / math.log(start / floor)))


def first_usable(points: Sequence[Point], levels: Levels) -> Point | None:
    """The first evaluation whose samples are usable."""
    return next((point for point in points if levels.usable(point.distance)), None)


def too_few(points: Sequence[Point], images: int) -> str:
    """Why evaluations after the start do not show how steady a run of `images` was, or ""."""
    if len(points) < FEWEST:
        number_of = f"{len(points)} evaluation{'s' * (len(points) != 1)}"
        return f"{number_of} after the start, a score wants {FEWEST}"
    places = [0, *(point.images for point in points), images]
    gap = max(after - before for before, after in pairwise(places))
    if gap > LONGEST_GAP * images:
        return f"no evaluation in {gap / images:.0%} of the run, a score wants one every 40%"
    return ""


def on_grid(points: Sequence[Point], levels: Levels) -> list[float]:
    """The excess at `GRID` equal shares of the run, the last at its last evaluation.

    Between evaluations the logarithm of the excess is interpolated in images seen, so more
    evaluations only resolve the same curve better. `points` in order; one at 0 images (untrained)
    is where the curve begins.
    """
    curve = [(point.images, math.log(levels.excess(point.distance))) for point in points]
    last = curve[-1][0]
    return [math.exp(_between(curve, last * k / GRID)) for k in range(1, GRID + 1)]


def _between(curve: Sequence[tuple[float, float]], x: float) -> float:
    """The value of a piecewise linear curve at `x`; its first value before it begins. Next to an
    infinite one it is infinite."""
    before = curve[0]
    for after in curve:
        if x <= after[0]:
            break
        before = after
    (x0, y0), (x1, y1) = before, after
    if x >= x1 or x1 == x0:
        return y1
    return y0 + (y1 - y0) * (x - x0) / (x1 - x0) if math.isfinite(y0 + y1) else math.inf
