"""When did a loss settle? The definition, its computation, and its wording in the report."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

TAIL = 0.2
BAND = TAIL / 2  # so that a straight line gets near its final level only in the tail
WINDOW_SHARE = 20
ERRORS = 3
FEWEST_POINTS = 20
_DEVIATIONS = 1.4826  # standard deviations in a median absolute one, for normal noise
_MEDIAN_ERROR = math.sqrt(math.pi / 2)  # standard error of a median, times sqrt(n)

DEFINITION = (
    "Settled at the earliest step from which the smoothed loss stays near its final level until "
    "the end. Smoothed: the running median over a twentieth of the logged points (at least 9). "
    "Final level: the median of the smoothed loss in the last fifth of the run. Near: within 10 % "
    "of the smoothed loss's full range, or within three standard errors of the running median if "
    "that is wider. A loss that only gets there in the last fifth of the run has not settled; "
    f"swings faster than the smoothing count as noise; fewer than {FEWEST_POINTS} logged points "
    "are too few to say."
)


@dataclass(frozen=True)
class Settling:
    """How a loss came to rest: `index` and `step` are None unless `verdict` is 'settled'."""

    verdict: str
    index: int | None = None
    step: float | None = None


def settle(steps: Sequence[float], values: Sequence[float]) -> Settling:
    """The step from which the loss `values`, logged at rising `steps`, stays near its final level.

    `DEFINITION` says it in words. The verdict is 'settled', 'not settled' or 'too few points'.
    """
    if len(values) < FEWEST_POINTS:
        return Settling("too few points")
    window = smoothing_window(len(values))
    smooth = running_median(values, window)
    tail_from = bisect_left(steps, steps[0] + (1 - TAIL) * (steps[-1] - steps[0]))
    level = median(smooth[tail_from:])
    scatter = median(abs(raw - mid) for raw, mid in zip(values, smooth, strict=True))
    error = _DEVIATIONS * _MEDIAN_ERROR * scatter / math.sqrt(window)
    near = max(BAND * (max(smooth) - min(smooth)), ERRORS * error) + 1e-9 * abs(level)
    index = len(smooth)
    while index and abs(smooth[index - 1] - level) <= near:
        index -= 1
    if index >= tail_from:
        return Settling("not settled")
    return Settling("settled", index, steps[index])


def running_median(values: Sequence[float], window: int) -> list[float]:
    """The median of the `window` (odd) values around each one; the ends use what there is."""
    reach = window // 2
    inside = sorted(values[:reach])
    smooth = []
    for index in range(len(values)):
        if index + reach < len(values):
            insort(inside, values[index + reach])
        if index > reach:
            del inside[bisect_left(inside, values[index - reach - 1])]
        middle = len(inside) // 2
        even = len(inside) % 2 == 0
        smooth.append((inside[middle - 1] + inside[middle]) / 2 if even else inside[middle])
    return smooth


def smoothing_window(points: int) -> int:
    """How many points (odd) the smoothing of a run with `points` logged ones takes."""
    return max(9, points // WINDOW_SHARE) | 1
