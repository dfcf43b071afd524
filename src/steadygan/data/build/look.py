"""What prepared images would gain from: margins cut off, one channel, near duplicates removed; and
which of them lie far from all others."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from steadygan.data.build.duplicates import near_duplicates
from steadygan.data.framing import EMPTY, outermost

#: Images that are looked at, evenly spread; and that near duplicates are counted among.
LOOKED_AT, COMPARED = 1000, 5000
#: Margins of this share of the side, in the median image, are worth cutting off.
WIDE = 0.2
#: Channels that differ by no more than this, of 255, are grey; and the share of images to be so.
GREY, MOST = 4, 0.99
#: An image is unusual that lies so many times as far from its third nearest as the median image.
UNUSUAL, NEIGHBOUR = 2.0, 3
#: So many of them are shown, the farthest first.
SHOWN = 16


class Suggestion(NamedTuple):
    """A flag of `steadygan data build folder`, and why."""

    flag: str
    why: str


def suggestions(thumbs: np.ndarray) -> list[Suggestion]:
    """What images would gain from, by their thumbs, uint8 (N, C, 32, 32); most often nothing."""
    looked = thumbs[np.unique(np.linspace(0, len(thumbs) - 1, LOOKED_AT).astype(int))]
    found = []
    margin = float(np.median([empty_margin(image) for image in looked]))
    if margin >= WIDE:
        found.append(Suggestion("--trim", f"half of the images or more have empty margins of "
                                          f"{margin:.0%} of their side"))  # fmt: skip
    if thumbs.shape[1] == 3:
        spread = looked.max(axis=1).astype(int) - looked.min(axis=1)
        grey = float((spread.max(axis=(1, 2)) <= GREY).mean())
        if grey >= MOST:
            found.append(Suggestion("--grey", "the images have no colour"))
    some = thumbs[np.unique(np.linspace(0, len(thumbs) - 1, COMPARED).astype(int))]
    near = len(near_duplicates(some))
    if near:
        found.append(
            Suggestion("--dedupe", f"{near:,} of {len(some):,} images nearly repeat another one")
        )
    return found


def empty_margin(image: np.ndarray) -> float:
    """How much of an image's side (C, H, W) is left empty by what is in it, 0 to 1: nothing but the
    median colour of its outermost pixels."""
    ground = np.median(outermost(image.transpose(1, 2, 0)), axis=0)
    ink = (np.abs(image - ground[:, None, None]) > EMPTY).any(axis=0)
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    if not len(rows):
        return 0.0  # a blank image has no margin to cut
    longest = max(rows[-1] - rows[0], columns[-1] - columns[0]) + 1
    return 1 - float(longest) / max(image.shape[1:])


def unusual(features: np.ndarray) -> list[int]:
    """The rows of at most `SHOWN` features (N, d) that lie far from all others, the farthest first:
    more than `UNUSUAL` times as far from the `NEIGHBOUR`th nearest as the median one."""
    if len(features) <= 2 * NEIGHBOUR:
        return []
    x = features.astype(np.float64) - features.mean(axis=0)
    lengths = (x**2).sum(axis=1)
    far = np.empty(len(x))
    for start in range(0, len(x), LOOKED_AT):
        part = slice(start, start + LOOKED_AT)
        squares = lengths[part, None] + lengths - 2 * x[part] @ x.T
        # The nearest is the image itself.
        far[part] = np.partition(squares, NEIGHBOUR, axis=1)[:, NEIGHBOUR].clip(0) ** 0.5
    order = np.argsort(-far, kind="stable")[:SHOWN]
    return [int(row) for row in order if far[row] > UNUSUAL * np.median(far)]
