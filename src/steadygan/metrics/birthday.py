"""How many different images does a generator make? The birthday paradox.

Arora & Zhang 2017, "Do GANs actually learn the distribution?", arXiv:1706.08224: if a batch of s
samples holds a duplicate with probability 1/2, the support is about s^2 / (2 log 2). Here the
duplicates are counted: with chance p2 = sum p_i^2 that two samples are the same, s samples hold
s (s - 1) / 2 p2 equal pairs on average, so the number of pairs gives 1 / p2, which is N for N
equally likely images.

The authors look at the nearest pairs by eye. Here two samples are duplicates if their features are
nearer than those of any two of as many different real images; the nearest pairs are given too, for
inspection by eye.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from steadygan.metrics.distances import centred, within
from steadygan.training.pictures import grid

SHOWN, COLUMNS = 20, 10
#: With no pair observed, fewer than 3 are expected, with 95 % confidence.
NONE_SEEN = 3.0


class Pairs(NamedTuple):
    """The nearest pairs: rows (count, 2), their distances (count,), and how many pairs are nearer
    than a threshold."""

    rows: Tensor
    distances: Tensor
    nearer: int


def nearest_distance(features: Tensor) -> float:
    """The distance between the nearest two of features (N, d)."""
    (values,) = centred(features)
    return min(float(found.min()) for _, found in within(values)) ** 0.5


def nearest_pairs(features: Tensor, threshold: float, count: int = SHOWN) -> Pairs:
    """The `count` nearest pairs among float64 features (N, d), and how many pairs are nearer than
    `threshold`."""
    best = torch.empty(0, dtype=torch.float64)
    pairs = torch.empty(0, 2, dtype=torch.long)
    nearer = 0
    for rows, found in within(features):
        later = found[:, rows.start :]  # pairs with earlier rows were counted there
        later.masked_fill_(torch.ones_like(later, dtype=torch.bool).tril_(), torch.inf)
        nearer += int((later < threshold**2).sum())
        # The nearest pairs of all are in the rows with the nearest pairs.
        at = later.amin(1).topk(min(count, len(later)), largest=False).indices
        least, place = later[at].flatten().topk(min(count, later[at].numel()), largest=False)
        here = torch.stack([at[place // later.shape[1]], place % later.shape[1]], 1) + rows.start
        best, order = torch.cat([best, least]).sort(stable=True)
        pairs = torch.cat([pairs, here])[order]
        best, pairs = best[:count], pairs[:count]
    real = torch.isfinite(best)
    return Pairs(pairs[real], best[real].sqrt(), nearer)


def support(samples: Tensor, threshold: float) -> dict[str, Any]:
    """The size of the support that samples' features (N, d) indicate.

    `threshold` is the distance of the nearest two of as many different real images
    (`nearest_distance`). `support` is the estimate, and where no pair is near enough it is None,
    and `support_at_least` is its lower bound. `pairs`: rows of the nearest samples with their
    distance.
    """
    size = len(samples)
    (moved,) = centred(samples)
    pairs, distances, duplicates = nearest_pairs(moved, threshold)
    possible = size * (size - 1) / 2
    return {
        "support": possible / duplicates if duplicates else None,
        "support_at_least": None if duplicates else possible / NONE_SEEN,
        "duplicates": duplicates,
        "threshold": threshold,
        "count": size,
        "pairs": [
            [*rows, far] for rows, far in zip(pairs.tolist(), distances.tolist(), strict=True)
        ],
    }


def picture(images: np.ndarray, pairs: list[list]) -> Image.Image:
    """The pairs of `support` among uint8 images (N, C, H, W), one above the other, ten to a row."""
    rows = []
    for start in range(0, len(pairs), COLUMNS):
        for side in (0, 1):
            row = images[[int(pair[side]) for pair in pairs[start : start + COLUMNS]]]
            empty = np.full((COLUMNS - len(row), *row.shape[1:]), 255, np.uint8)
            rows.append(np.concatenate([row, empty]))
    return grid(np.concatenate(rows).transpose(0, 2, 3, 1), COLUMNS)
