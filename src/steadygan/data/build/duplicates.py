"""Near-duplicate images, compared at 32 x 32 pixels.

A perceptual hash without quantisation: pHash and dHash keep only the signs of cosine terms or of
differences, and where a drawing is symmetric or empty those terms are 0 and their signs noise (two
circles whose radii differ by a thousandth differ in 22 of pHash's 63 bits). Here the means over 8 x
8 fields find the candidates, and no pair is missed: averaging makes no distance larger.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from PIL import Image

from steadygan.data.dataset import Progress

SIDE, FIELDS = 32, 8
MAX_RMS = 8.0  # of 255, over all pixels and channels at 32 x 32
_BLOCK = 1024


class Pair(NamedTuple):
    """Rows `kept` and `other` of near duplicates, and the root mean square `rms` of the difference
    of their pixels, 0 to 255."""

    kept: int
    other: int
    rms: float


def thumb(pixels: np.ndarray) -> np.ndarray:
    """uint8 (C, H, W) as uint8 (C, 32, 32)."""
    return np.stack([_small(channel) for channel in pixels])


def _small(channel: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(channel).resize((SIDE, SIDE), Image.Resampling.BOX))


def near_duplicates(thumbs: np.ndarray, progress: Progress | None = None) -> list[Pair]:
    """Each image to remove, with the earlier kept image that it is near.

    `thumbs`: uint8 (N, C, 32, 32). Goes through the rows in order and keeps each that is near none
    of those kept so far. A mirror image is another image.
    """
    if not len(thumbs):
        return []
    means = _means(thumbs)
    squares = (means**2).sum(axis=1)
    limit = MAX_RMS**2 * means.shape[1] + 1  # 1 for float32 rounding
    kept = np.ones(len(thumbs), dtype=bool)
    pairs = []
    for start in range(0, len(thumbs), _BLOCK):
        stop = min(start + _BLOCK, len(thumbs))
        near = squares[start:stop, None] + squares[:stop] - 2 * means[start:stop] @ means[:stop].T
        for row, column in zip(*np.nonzero(near <= limit), strict=True):
            other, first = start + int(row), int(column)
            if first >= other or not kept[first] or not kept[other]:
                continue
            rms = _rms(thumbs[first], thumbs[other])
            if rms <= MAX_RMS:
                kept[other] = False
                pairs.append(Pair(first, other, rms))
        if progress is not None:
            progress("near duplicates", stop, len(thumbs))
    return pairs


def _means(thumbs: np.ndarray) -> np.ndarray:
    """Means over 8 x 8 fields about the middle grey, float32 (N, C * 64)."""
    field = SIDE // FIELDS
    cut = thumbs.reshape(*thumbs.shape[:2], FIELDS, field, FIELDS, field)
    return cut.mean(axis=(3, 5), dtype=np.float32).reshape(len(thumbs), -1) - 127.5


def _rms(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.sqrt(np.mean((one.astype(np.float32) - other) ** 2)))
