"""Energy distance between two sets of points. Szekely & Rizzo 2013, "Energy statistics",
doi:10.1016/j.jspi.2013.03.018, eq. 5.

    E(X, Y) = 2 E|x - y| - E|x - x'| - E|y - y'|

It needs no features and no setting, and is 0 only for equal distributions: it evaluates games on
points in the plane, as FID does those on images, and images that are too few for FID by their
features.
"""

from __future__ import annotations

import torch
from torch import Tensor

#: Rows of a block: 128 against 10,000 points are 10 MB, which are not asked for anew each time.
BLOCK = 128


def energy_distance(
    a: Tensor, b: Tensor, within_b: float | None = None, exact: bool = True
) -> float:
    """The distance of points (N, d) and (M, d), every pair counted, each with itself too: 0 for
    equal sets, never below. Float64. `within_b`: `mean_distance(b, b)`, where it is known."""
    known = mean_distance(b, b, exact) if within_b is None else within_b
    return max(0.0, 2 * mean_distance(a, b, exact) - mean_distance(a, a, exact) - known)


def mean_distance(a: Tensor, b: Tensor, exact: bool = True) -> float:
    """E|x - y| over all pairs of points (N, d) and (M, d), in float64. `exact=False` takes it by
    products, where near points lose digits: for many dimensions, in which no two are near."""
    a, b = a.double(), b.double()
    mode = "donot_use_mm_for_euclid_dist" if exact else "use_mm_for_euclid_dist"
    sums = [torch.cdist(rows, b, compute_mode=mode).sum() for rows in a.split(BLOCK)]
    return float(torch.stack(sums).sum() / (len(a) * len(b)))
