"""Samples beside the real images that are nearest to them, so that copying is seen.

`memorisation` counts copies by pixels over all samples; here ten samples as they were drawn, and
the ten that are nearest to any real image, are shown with that image. Nearest is by features.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from steadygan.data.mapped import Items
from steadygan.metrics.distances import blocks, centred
from steadygan.training.pictures import grid

#: Samples of each kind, a row of the picture.
SHOWN = 10
#: Samples that are compared.
COUNT = 2000
#: Real images whose distance to their own nearest neighbour is taken.
LOOKED_AT = 1000


def nearest_real(samples: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
    """The row of the nearest of features `real` (M, d) to each of `samples` (N, d), and its
    distance, float64."""
    rows, distances = [], []
    samples, real = centred(samples, real)
    for _, found in blocks(samples, real):
        least = found.min(1)
        rows.append(least.indices)
        distances.append(least.values.sqrt())
    return torch.cat(rows), torch.cat(distances)


def among_real(real: Tensor) -> float | None:
    """The median distance of a real image to the nearest other one, over at most 1,000 of features
    (M, d); None for a single image."""
    if len(real) < 2:
        return None
    chosen = torch.linspace(0, len(real) - 1, min(LOOKED_AT, len(real))).long()
    (values,) = centred(real)
    nearest = [found.topk(2, 1, largest=False).values[:, 1]
               for _, found in blocks(values[chosen], values)]  # fmt: skip
    return float(torch.cat(nearest).sqrt().quantile(0.5))


def beside_real(samples: Tensor, real: Tensor, first: np.ndarray) -> dict[str, Any]:
    """Features of samples (N, d) against those of real images (M, d).

    `first` and `closest`: [sample, real image, distance] of the samples `first` (rows), and of the
    `SHOWN` of at most 2,000 that are nearest to a real image, nearest first. `median`: that
    distance over them.
    """
    chosen = np.concatenate([first[:SHOWN], np.setdiff1d(np.arange(len(samples)), first[:SHOWN])])
    chosen = chosen[:COUNT]
    rows, distances = nearest_real(samples[torch.from_numpy(chosen)], real)
    closest = distances.argsort(stable=True)[:SHOWN].tolist()

    def listed(places: Iterable[int]) -> list[list[float]]:
        return [[int(chosen[i]), int(rows[i]), float(distances[i])] for i in places]

    return {"first": listed(range(min(SHOWN, len(first)))), "closest": listed(closest),
            "median": float(distances.quantile(0.5))}  # fmt: skip


def picture(samples: np.ndarray, real: Items, found: dict[str, Any]) -> Image.Image:
    """The result of `beside_real` of uint8 images (N, C, H, W) and (M, C, H, W): ten samples as
    drawn, below each its nearest real image; then the ten nearest samples likewise."""
    rows = []
    for kind in ("first", "closest"):
        chosen = [[int(each[side]) for each in found[kind]] for side in (0, 1)]
        for images, places in zip((samples, real), chosen, strict=True):
            row = np.asarray(images[places])
            empty = np.full((SHOWN - len(row), *row.shape[1:]), 255, np.uint8)
            rows.append(np.concatenate([row, empty]))
    return grid(np.concatenate(rows).transpose(0, 2, 3, 1), SHOWN)
