"""Encoded images of any source, decoded on all cores."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from steadygan.data.attempt import Attempt, Decoded
from steadygan.data.dataset import Progress
from steadygan.data.images import WHITE, BadImage, LargeImage, Traits, decode, quiet_pillow
from steadygan.data.processes import FEWEST, decoded_by_processes
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
    decoded, raises UserError where the source has changed meanwhile. `root`: the folder below which
    the images are files that `read_file` and images.py read, so that other processes can, too.
    """

    spec: str
    found: list[Found]
    read: Callable[[Found], bytes]
    decode: Callable[[bytes, int, int, bool, int], tuple[np.ndarray, Traits]] | None = None
    held: frozenset[str] | None = None
    class_names: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    settled: Callable[[], None] = lambda: None
    root: Path | None = None


def decode_all(
    images: ImageSet,
    size: int,
    channels: int,
    progress: Progress | None,
    attempt: Attempt | None = None,
) -> Iterator[tuple[Found, Decoded]]:
    """Each image with its result, in order; those of 16-bit grey come last, since their common
    scale is known only once all are read (they are decoded twice).

    `attempt`: where the results are kept, and from which those of an earlier one are taken.
    """  # fmt: skip
    deep: list[Found] = []
    greatest = 0
    for each, got in _once(images, (size, channels), progress, attempt):
        if got.traits.levels is None:
            yield each, got
        else:
            deep.append(each)
            greatest = max(greatest, got.traits.levels[1])
    white = white_of(greatest)
    phase = "scaling 16-bit images"
    for each, got in _pass(images, deep, (size, channels), white, phase, progress):
        if attempt is not None and got.pixels is not None:
            attempt.write(got)
        yield each, got


def _once(
    images: ImageSet,
    size_and_channels: tuple[int, int],
    progress: Progress | None,
    attempt: Attempt | None,
) -> Iterator[tuple[Found, Decoded]]:
    """The first pass over all images, behind those that an earlier attempt has decoded."""
    found, total = images.found, len(images.found)
    known = 0
    if attempt is not None:
        for known, got in enumerate(attempt.known(), 1):
            yield found[known - 1], got
            if progress is not None and (known % _BLOCK == 0 or known == total):
                progress("checking what is decoded", known, total)
    new = _pass(images, found[known:], size_and_channels, WHITE, "decoding", progress, known)
    for each, got in new:
        if attempt is not None:
            attempt.note(got)
        yield each, got


def _pass(
    images: ImageSet,
    found: list[Found],
    size_and_channels: tuple[int, int],
    white: int,
    phase: str,
    progress: Progress | None,
    before: int = 0,
) -> Iterator[tuple[Found, Decoded]]:
    """Decode `found` in order; `before`: how many are done already."""
    done = 0
    for results in _blocks(images, found, size_and_channels, white):
        yield from zip(found[done : done + len(results)], results, strict=True)
        done += len(results)
        if progress is not None:
            progress(phase, before + done, before + len(found))


def _blocks(
    images: ImageSet, found: list[Found], size_and_channels: tuple[int, int], white: int
) -> Iterator[list[Decoded]]:
    """The results of `found` in order: of many files by processes, else by threads, since Pillow
    releases the GIL while it unpacks."""
    decoded = images.decode or decode

    def work(each: Found, large: bool) -> Decoded:
        try:
            data = images.read(each)
            return Decoded.of(data, *decoded(data, *size_and_channels, large, white))
        except BadImage as error:
            return Decoded(reason=str(error))

    # One thread for all large files and pictures: eight at a time would fill the memory, and so
    # would the memory that the allocator keeps for each thread that ever held one.
    large_ones = ThreadPoolExecutor(max_workers=1)

    def one(each: Found) -> Decoded:
        if not each.stamp or each.stamp[0] <= LARGE_BYTES:
            with suppress(LargeImage):
                return work(each, False)
        return large_ones.submit(work, each, True).result()

    with quiet_pillow(), large_ones:
        if images.root is not None and images.decode is None and len(found) >= FEWEST:
            size, channels = size_and_channels
            shape = channels, size, size
            yield from decoded_by_processes(images.root, found, shape, white, _WORKERS, one)
            return
        with ThreadPoolExecutor(max_workers=_WORKERS) as pool:
            for start in range(0, len(found), _BLOCK):
                yield list(pool.map(one, found[start : start + _BLOCK]))
