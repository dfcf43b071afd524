"""Modes of a mixture of Gaussians in the plane: which are found, and how good the samples are.

A sample is of high quality within 3 standard deviations of its nearest centre; a mode is found
when one of high quality lies at it. Srivastava et al. 2017 (VEEGAN), arXiv:1705.07761; Lin et al.
2018 (PacGAN), arXiv:1712.04086, section 4.1: 2,500 samples of `ring` and `grid`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from steadygan.data.sources.gaussians import GRID_STD, RING_STD, grid_centres, ring_centres

COUNT = 2500
WITHIN = 3.0
#: Centres (modes, 2) and standard deviation of each source whose modes are known.
MIXTURES = {"ring": (ring_centres, RING_STD), "grid": (grid_centres, GRID_STD)}


def mode_coverage(points: np.ndarray, centres: np.ndarray, std: float) -> dict[str, Any]:
    """What points (N, 2) show of the modes at `centres` (K, 2), each with deviation `std`.

    `modes` found of `modes_in_data`; `high_quality`, the share of samples near a centre;
    `mode_entropy` of the high-quality samples over modes and `mode_js`, the Jensen-Shannon
    divergence of their shares to uniform, both in nats (the first at most log K, the second at most
    log 2, also its value without any high-quality sample).
    """
    points = points.astype(np.float64)
    squared = ((points[:, None] - centres[None]) ** 2).sum(2)
    nearest = squared.argmin(1)
    good = squared.min(1) <= (WITHIN * std) ** 2
    counts = np.bincount(nearest[good], minlength=len(centres))
    found = {
        "modes": int((counts > 0).sum()),
        "modes_in_data": len(centres),
        "high_quality": float(good.mean()),
    }
    if not good.any():
        return {**found, "mode_entropy": 0.0, "mode_js": math.log(2)}
    shares = counts / counts.sum()
    return {**found, "mode_entropy": entropy(shares), "mode_js": jensen_shannon(shares)}


def entropy(shares: np.ndarray) -> float:
    """- sum p log p in nats, with 0 log 0 = 0."""
    some = shares[shares > 0]
    return float(-(some * np.log(some)).sum())


def jensen_shannon(shares: np.ndarray) -> float:
    """The Jensen-Shannon divergence of `shares` to uniform, in nats."""
    uniform = np.full(len(shares), 1 / len(shares))
    halves = (entropy(shares) + entropy(uniform)) / 2
    return max(0.0, entropy((shares + uniform) / 2) - halves)
