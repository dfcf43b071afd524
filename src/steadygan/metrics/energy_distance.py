"""Energy distance between two sets of points. Szekely & Rizzo 2013, "Energy statistics",
doi:10.1016/j.jspi.2013.03.018, eq. 5.

    E(X, Y) = 2 E|x - y| - E|x - x'| - E|y - y'|

It needs no features and no setting, and is 0 only for equal distributions: it evaluates games on
points in the plane, as FID does those on images.
"""

from __future__ import annotations

import torch
from torch import Tensor


def energy_distance(a: Tensor, b: Tensor) -> float:
    """The distance of points (N, d) and (M, d), every pair counted, each with itself too: 0 for
    equal sets, never below. Float64."""
    a, b = a.double(), b.double()
    between, within_a, within_b = (torch.cdist(*p).mean() for p in ((a, b), (a, a), (b, b)))
    return max(0.0, float(2 * between - within_a - within_b))
