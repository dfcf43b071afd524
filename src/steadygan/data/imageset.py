"""Encoded images by name, from wherever they lie, to a cache entry: decoded once, split."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from steadygan.data.cache import open_entry, write_rows
from steadygan.data.dataset import Dataset, DataSettings, Progress, fingerprint, from_rows
from steadygan.data.images import BadImage, LargeImage, decode, quiet_pillow
from steadygan.data.scan import Found, printable
from steadygan.errors import UserError

DEFAULT_SIZE, DEFAULT_CHANNELS = 64, 3
MAX_BAD_SHARE = 0.01
LARGE_BYTES = 2**22
_BLOCK = 256  # images in memory at once, and between two calls of progress


@dataclass(frozen=True)
class ImageSet:
    """Encoded images before they are decoded.

    `spec`: what was asked for, such as `folder:/x`. `found`: the images, whose `label` is a class
    name or none. `read(each)`: an image's bytes. `decode(bytes, size, channels, large)`:
    uint8 (channels, size, size); none is that of images.py. Both raise BadImage with the reason,
    and are called from threads.
    `held`: names of the images that are held out, where the split is given; none splits by
    content. `class_names`: in their order, where that is not the sorted labels.
    """

    spec: str
    found: list[Found]
    read: Callable[[Found], bytes]
    decode: Callable[[bytes, int, int, bool], np.ndarray] | None = None
    held: frozenset[str] | None = None
    class_names: tuple[str, ...] | None = None


def open_images(
    images: ImageSet, slot: dict, content: str, settings: DataSettings, progress: Progress | None
) -> Dataset:
    """The data set of `images`, decoded into the cache where it is not there yet.

    `slot` (plain JSON values) and `content` as for `open_entry`; size, channels and holdout are
    added to the slot. Raises UserError where fewer than two different images are left, where a
    given split leaves one side empty, and where more than 1 % cannot be decoded, unless
    `settings.allow_bad`.
    """
    if images.held is not None and settings.holdout != DataSettings().holdout:
        raise UserError(
            f"holdout= means nothing for {images.spec}: its split is given; leave it out"
        )
    size, channels = settings.size or DEFAULT_SIZE, settings.channels or DEFAULT_CHANNELS
    name = images.spec.partition(":")[0]
    slot = {**slot, "size": size, "channels": channels, "holdout": settings.holdout}

    def build(folder: Path) -> dict:
        return _build(images, size, channels, settings.holdout, folder, progress)

    entry = open_entry(name, slot, content, build, progress)
    bad, count = entry.facts["quarantine"], len(images.found)
    if len(bad) > MAX_BAD_SHARE * count and not settings.allow_bad:
        raise UserError(
            f"{images.spec}: {len(bad)} of {count} images cannot be decoded (first: "
            f"{bad[0]['path']}: {bad[0]['reason']}); mend or remove them, or go on without them "
            "by --allow-bad"
        )
    return from_rows(name, images.spec, entry.items, entry.labels, entry.facts, settings)


def split_by_content(
    digests: Sequence[bytes], labels: Sequence[int], holdout: float
) -> tuple[np.ndarray, np.ndarray]:
    """Rows for training and rows held out, as int64 indices, each ordered by digest.

    A function of content alone, not of names or times. Equal digests stay on one side; each class
    gives its share to within one image; each side has at least one. Needs two unlike digests.
    """
    first_label: dict[bytes, int] = {}
    for digest, label in zip(digests, labels, strict=True):
        first_label[digest] = min(label, first_label.get(digest, label))
    ranked = sorted(first_label, key=lambda digest: (first_label[digest], digest))
    # Every 1/holdout-th of the list sorted by class: the shares come out even by class.
    held = {
        digest
        for rank, digest in enumerate(ranked)
        if int(holdout * (rank + 1) + 0.5) > int(holdout * rank + 0.5)
    }
    held = held or {ranked[-1]}
    if len(held) == len(ranked):
        held.remove(ranked[0])
    return split_as_given(digests, labels, [digest in held for digest in digests])


def split_as_given(
    digests: Sequence[bytes], labels: Sequence[int], held: Sequence[bool]
) -> tuple[np.ndarray, np.ndarray]:
    """The rows that are not `held` and those that are, as int64 indices, each ordered by digest."""
    order = sorted(range(len(digests)), key=lambda row: (digests[row], labels[row]))
    train = [row for row in order if not held[row]]
    test = [row for row in order if held[row]]
    return np.array(train, dtype=np.int64), np.array(test, dtype=np.int64)


def _build(
    images: ImageSet,
    size: int,
    channels: int,
    holdout: float,
    folder: Path,
    progress: Progress | None,
) -> dict:
    """Decode every image into `folder` in the order of the split; the facts of the entry."""
    good: list[Found] = []
    digests: list[bytes] = []
    bad: list[dict[str, str]] = []
    decoded = folder / "decoded.raw"
    with open(decoded, "wb") as file:
        for each, (digest, pixels, reason) in decode_all(images, size, channels, progress):
            if pixels is None:
                bad.append({"path": printable(each.name), "reason": reason})
            else:
                good.append(each)
                digests.append(digest)
                file.write(np.ascontiguousarray(pixels).data)
    _require_two(images, digests, bad)

    names = list(images.class_names or sorted({e.label for e in good if e.label is not None}))
    position = {name: index for index, name in enumerate(names)}
    all_labels = np.array([position.get(each.label, 0) for each in good], dtype=np.int64)
    if images.held is None:
        train, test = split_by_content(digests, all_labels.tolist(), holdout)
    else:
        held = [each.name in images.held for each in good]
        train, test = split_as_given(digests, all_labels.tolist(), held)
        if not len(train) or not len(test):
            side = "training" if not len(train) else "held-out"
            raise UserError(f"{images.spec}: no image of its {side} part can be decoded")
    order = np.concatenate([train, test])
    class_names = [printable(name) for name in names] or None
    labels = all_labels[order] if class_names else None

    shape = (len(good), channels, size, size)
    rows = np.memmap(decoded, dtype=np.uint8, mode="r", shape=shape)
    blocks = (rows[order[start : start + _BLOCK]] for start in range(0, len(order), _BLOCK))
    digest = write_rows(folder / "items.npy", shape, blocks)
    decoded.unlink()
    if labels is not None:
        np.save(folder / "labels.npy", labels)
    return {
        "train": len(train),
        "class_names": class_names,
        "quarantine": bad,
        "fingerprint": fingerprint(digest, shape[1:], len(train), labels, class_names),
    }


def _require_two(images: ImageSet, digests: list[bytes], bad: list[dict[str, str]]) -> None:
    if len(set(digests)) < 2:
        first = f"; first bad one: {bad[0]['path']}: {bad[0]['reason']}" if bad else ""
        raise UserError(
            f"{images.spec}: {len(set(digests))} different images can be decoded out of "
            f"{len(images.found)} files, and a split needs 2{first}"
        )


Decoded = tuple[bytes, "np.ndarray | None", str]  # sha256 of the file, pixels or none, reason


def decode_all(
    images: ImageSet, size: int, channels: int, progress: Progress | None
) -> Iterator[tuple[Found, Decoded]]:
    """Each image with what became of it, in order. Threads, because Pillow lets go of the GIL."""

    decoded = images.decode or decode

    def work(each: Found, large: bool) -> Decoded:
        try:
            data = images.read(each)
            return hashlib.sha256(data).digest(), decoded(data, size, channels, large), ""
        except BadImage as error:
            return b"", None, str(error)

    # One thread for all large files and pictures: eight at a time would fill the memory, and so
    # would what the allocator keeps for each thread that has ever held one.
    large_ones = ThreadPoolExecutor(max_workers=1)

    def one(each: Found) -> Decoded:
        if not each.stamp or each.stamp[0] <= LARGE_BYTES:
            with suppress(LargeImage):
                return work(each, False)
        return large_ones.submit(work, each, True).result()

    found, workers = images.found, min(8, os.cpu_count() or 1)
    with quiet_pillow(), large_ones, ThreadPoolExecutor(max_workers=workers) as pool:
        for start in range(0, len(found), _BLOCK):
            block = found[start : start + _BLOCK]
            yield from zip(block, pool.map(one, block), strict=True)
            if progress is not None:
                progress("decoding", start + len(block), len(found))
