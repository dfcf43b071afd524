"""Encoded images of any source, decoded on all cores."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from steadygan.data.dataset import Progress
from steadygan.data.images import WHITE, BadImage, LargeImage, Traits, decode, quiet_pillow
from steadygan.data.scan import Found
from steadygan.data.tally import white_of

LARGE_BYTES = 2**22
_WORKERS = min(8, os.cpu_count() or 1)
_BLOCK = 256  # images in memory at once, and between two calls of progress


@dataclass(frozen=True)
class ImageSet:
    """Encoded images before they are decoded.

    `spec`: the requested source, such as `folder:/x`. `found`: the images, whose `label` is a class
    name or none. `read(each)`: an image's bytes. `decode(bytes, size, channels, large, white)`:
    uint8 (channels, size, size) and traits; none is that of images.py. Both raise BadImage with the
    reason, and are called from threads. `held`: names of the images that are held out, where the
    split is given; none splits by content. `class_names`: in their order, where that is not the
    sorted labels. `notes`: what to report about the files. `settled()`, called once all are
    decoded, raises UserError where the source has changed meanwhile.
    """

    spec: str
    found: list[Found]
    read: Callable[[Found], bytes]
    decode: Callable[[bytes, int, int, bool, int], tuple[np.ndarray, Traits]] | None = None
    held: frozenset[str] | None = None
    class_names: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    settled: Callable[[], None] = lambda: None


class Decoded(NamedTuple):
    """The result for an image: the SHA-256 of its file, its pixels and their traits, or the reason
    why there are none."""

    file: bytes = b""
    pixels: np.ndarray | None = None
    traits: Traits = Traits()
    reason: str = ""


def decode_all(
    images: ImageSet, size: int, channels: int, progress: Progress | None
) -> Iterator[tuple[Found, Decoded]]:
    """Each image with its result, in order; those of 16-bit grey come last, since their common
    scale is known only once all are read (they are decoded twice)."""
    deep: list[Found] = []
    greatest = 0
    for each, got in _pass(images, images.found, (size, channels), WHITE, "decoding", progress):
        if got.traits.levels is None:
            yield each, got
        else:
            deep.append(each)
            greatest = max(greatest, got.traits.levels[1])
    white = white_of(greatest)
    yield from _pass(images, deep, (size, channels), white, "scaling 16-bit images", progress)


def _pass(
    images: ImageSet,
    found: list[Found],
    size_and_channels: tuple[int, int],
    white: int,
    phase: str,
    progress: Progress | None,
) -> Iterator[tuple[Found, Decoded]]:
    """Decode `found` in order. Threads, because Pillow releases the GIL."""
    decoded = images.decode or decode

    def work(each: Found, large: bool) -> Decoded:
        try:
            data = images.read(each)
            pixels, traits = decoded(data, *size_and_channels, large, white)
        except BadImage as error:
            return Decoded(reason=str(error))
        return Decoded(hashlib.sha256(data).digest(), np.ascontiguousarray(pixels), traits)

    # One thread for all large files and pictures: eight at a time would fill the memory, and so
    # would the memory that the allocator keeps for each thread that ever held one.
    large_ones = ThreadPoolExecutor(max_workers=1)

    def one(each: Found) -> Decoded:
        if not each.stamp or each.stamp[0] <= LARGE_BYTES:
            with suppress(LargeImage):
                return work(each, False)
        return large_ones.submit(work, each, True).result()

    with quiet_pillow(), large_ones, ThreadPoolExecutor(max_workers=_WORKERS) as pool:
        for start in range(0, len(found), _BLOCK):
            block = found[start : start + _BLOCK]
            yield from zip(block, pool.map(one, block), strict=True)
            if progress is not None:
                progress(phase, start + len(block), len(found))
