"""Distances between many features, a block of rows at a time, so that memory stays small."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

#: Distances of a block, 32 MB: more are slower, since each block's memory is asked for anew.
BLOCK = 2**22
#: Values of the images that become floats at a time: 134 MB as float64.
VALUES = 2**24
#: Squared distances below this share of the squared lengths are rounding, and count as 0.
ROUNDING = 1e-12


def squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """|a_i - b_j|^2 of float64 features (N, d) and (M, d) as (N, M), by one matrix product."""
    lengths = a.square().sum(1)[:, None] + b.square().sum(1)
    found = torch.addmm(lengths, a, b.T, alpha=-2)
    return found.masked_fill_(found < ROUNDING * lengths, 0.0)


def centred(*sets: Tensor) -> list[Tensor]:
    """The sets in float64, moved so that the first has mean 0: less rounding, same distances."""
    mean = sets[0].double().mean(0)
    return [each.double() - mean for each in sets]


def images_at_once(images: np.ndarray, most: int) -> int:
    """How many of `images` (N, C, H, W) to take at a time: `most`, and fewer large ones, since
    they become floats, several times over."""
    return max(1, min(most, VALUES // max(1, images[:1].size)))


def blocks(a: Tensor, b: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Each block of rows of `a` with its squared distances to all of `b`."""
    count = max(1, BLOCK // max(1, len(b)))
    for start in range(0, len(a), count):
        rows = slice(start, min(start + count, len(a)))
        yield rows, squared_distances(a[rows], b)


def within(a: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """As `blocks` of `a` with itself, each row's distance to itself infinite."""
    for rows, found in blocks(a, a):
        own = torch.arange(rows.start, rows.stop)
        found[own - rows.start, own] = torch.inf
        yield rows, found
