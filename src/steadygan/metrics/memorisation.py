"""Does a generator copy its training images? Are the real images nearest to its samples from the
training part or from the held-out part?

Both parts (M training, m held-out images) are drawn from one distribution. For a generator that
learned the distribution and not its images, every real image is equally likely to be nearest to
some sample: of the real images that are nearest to some sample, a share of M / (M + m) is from the
training part, whatever the samples look like. A larger share is copying. Each real image counts
once, however many samples are near it, so that a collapsed generator, whose samples all have one
neighbour, gives too few images for a result. The distance is between pixels (images are averaged
down to at most 16 px), not features: a network that was trained on the training part would itself
tell the parts apart.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from steadygan.data.mapped import Items
from steadygan.metrics.distances import blocks, images_at_once

#: Samples that are compared.
COUNT = 2000
SIDE = 16
BLOCK = 4096
#: Fewer different nearest images than this are no evidence.
LEAST = 30


def as_points(images: np.ndarray) -> Tensor:
    """uint8 images (N, C, H, W) as float64 points, averaged down to at most 16 px a side."""
    found, step = [], images_at_once(images, BLOCK)
    for start in range(0, len(images), step):
        part = torch.from_numpy(np.array(images[start : start + step])).float() / 255
        side = min(SIDE, *part.shape[2:])
        found.append(adaptive_avg_pool2d(part, side).flatten(1).double())
    return torch.cat(found)


def nearest(points: Tensor, known: Items) -> tuple[Tensor, Tensor]:
    """The distance of each point to the nearest of uint8 images `known`, and the image's row."""
    best = torch.full((len(points),), torch.inf, dtype=torch.float64)
    row = torch.zeros(len(points), dtype=torch.long)
    for start in range(0, len(known), BLOCK):
        part = as_points(known[start : start + BLOCK])
        for rows, found in blocks(points, part):
            least = found.min(1)
            nearer = least.values < best[rows]
            best[rows] = torch.where(nearer, least.values, best[rows])
            row[rows] = torch.where(nearer, least.indices + start, row[rows])
    return best.sqrt(), row


def memorisation(samples: np.ndarray, train: Items, test: Items) -> dict[str, Any]:
    """How near uint8 samples are to the training images and to the held-out ones.

    `nearest_images`: how many different real images are nearest to some sample; `nearest_is_train`:
    the share of them from the training part; `expected`: that share without copying; `copied`: its
    excess over `expected`, 0 for no copies and 1 for all, None for fewer than 30 such images.
    `to_train`, `to_test`: median distances to the nearest of each.
    """
    points = as_points(samples[:COUNT])
    (to_train, train_row), (to_test, test_row) = nearest(points, train), nearest(points, test)
    hits = len(train_row[to_train <= to_test].unique())  # an image of both parts is in both
    images = hits + len(test_row[to_test <= to_train].unique())
    share, expected = hits / images, len(train) / (len(train) + len(test))
    return {
        "nearest_images": images,
        "nearest_is_train": share,
        "expected": expected,
        "copied": (share - expected) / (1 - expected) if images >= LEAST else None,
        "to_train": float(to_train.quantile(0.5)),
        "to_test": float(to_test.quantile(0.5)),
        "count": len(points),
    }
