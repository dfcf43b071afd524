"""How many different images does a generator make? The birthday paradox.

Arora & Zhang 2017, "Do GANs actually learn the distribution?", arXiv:1706.08224: if a batch of s
samples holds a duplicate with probability 1/2, the support is about s^2 / (2 log 2). Here the
duplicates are counted: with chance p2 = sum p_i^2 that two samples are the same, s samples hold
s (s - 1) / 2 p2 equal pairs on average, so the number of pairs gives 1 / p2, which is N for N
equally likely images.

The authors look at the nearest pairs by eye. Here two samples are duplicates if their features are
nearer than those of any two of as many different real images; the nearest pairs are given too, so
that an eye can judge.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from steadygan.measures.distances import centred, within
from steadygan.training.pictures import grid

SHOWN, COLUMNS = 20, 10
#: No pair at all: with 95 % confidence fewer than 3 were to be expected.
NONE_SEEN = 3.0


def nearest_pairs(features: Tensor, count: int = SHOWN) -> tuple[Tensor, Tensor]:
    """The `count` nearest pairs among float64 features (N, d): rows (count, 2), and distances."""
    best = torch.empty(0, dtype=torch.float64)
    pairs = torch.empty(0, 2, dtype=torch.long)
    for rows, found in within(features):
        first = torch.arange(rows.start, rows.stop)
        found.masked_fill_(torch.arange(len(features)) <= first[:, None], torch.inf)
        least, at = found.flatten().topk(min(count, found.numel()), largest=False)
        here = torch.stack([at // len(features) + rows.start, at % len(features)], 1)
        best, order = torch.cat([best, least]).sort(stable=True)
        pairs = torch.cat([pairs, here])[order]
        best, pairs = best[:count], pairs[:count]
    real = torch.isfinite(best)
    return pairs[real], best[real].sqrt()


def pairs_nearer(features: Tensor, threshold: float) -> int:
    """How many pairs of float64 features (N, d) are nearer than `threshold`."""
    return sum(int((found < threshold**2).sum()) for _, found in within(features)) // 2


def support(samples: Tensor, real: Tensor) -> dict[str, Any]:
    """The size of the support that samples' features (N, d) speak for.

    `real` (M, d) are the features of different real images; as many of both are used. `support` is
    the estimate, and where no pair is near enough it is None and `support_at_least` stands for it.
    `pairs`: rows of the nearest samples with their distance.
    """
    size = min(len(samples), len(real))
    real, samples = centred(real[:size], samples[:size])
    threshold = float(nearest_pairs(real, 1)[1][0])
    pairs, distances = nearest_pairs(samples)
    duplicates = pairs_nearer(samples, threshold)
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
