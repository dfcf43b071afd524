"""A folder of images, class = first-level subfolder, split by content into train and held out."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from steadygan.data.cache import open_entry, write_rows
from steadygan.data.dataset import Dataset, DataSettings, Progress, fingerprint, from_rows
from steadygan.data.images import MAX_BYTES, BadImage, decode, quiet_pillow
from steadygan.data.scan import Found, listing_digest, printable, scan
from steadygan.errors import UserError

DEFAULT_SIZE, DEFAULT_CHANNELS = 64, 3
MAX_BAD_SHARE = 0.01
_BLOCK = 256  # images in memory at once, and between two calls of progress


def open_folder(path: Path | None, settings: DataSettings, progress: Progress | None) -> Dataset:
    """All images under `path`, decoded whole, cropped to their centre square and resized.

    With first-level subfolders those are the classes; without, there are no labels. Equal files
    fall on the same side of the split. Raises UserError as `scan` does, where none or only one
    image is left, and where more than 1 % cannot be decoded, unless `settings.allow_bad`.
    """
    if path is None:
        raise UserError("--data folder needs a path: folder:DIR")
    found = scan(path)
    size, channels = settings.size or DEFAULT_SIZE, settings.channels or DEFAULT_CHANNELS
    slot = {
        "path": printable(str(path)),
        "size": size,
        "channels": channels,
        "holdout": settings.holdout,
    }

    def build(folder: Path) -> dict:
        return _build(path, found, size, channels, settings.holdout, folder, progress)

    entry = open_entry("folder", slot, listing_digest(found), build)
    bad = entry.facts["quarantine"]
    if len(bad) > MAX_BAD_SHARE * len(found) and not settings.allow_bad:
        raise UserError(
            f"folder:{path}: {len(bad)} of {len(found)} images cannot be decoded (first: "
            f"{bad[0]['path']}: {bad[0]['reason']}); mend or remove them, or go on without them "
            "by --allow-bad"
        )
    return from_rows("folder", f"folder:{path}", entry.items, entry.labels, entry.facts, settings)


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
    order = sorted(range(len(digests)), key=lambda row: (digests[row], labels[row]))
    train = [row for row in order if digests[row] not in held]
    test = [row for row in order if digests[row] in held]
    return np.array(train, dtype=np.int64), np.array(test, dtype=np.int64)


def _build(
    root: Path,
    found: list[Found],
    size: int,
    channels: int,
    holdout: float,
    folder: Path,
    progress: Progress | None,
) -> dict:
    """Decode every file into `folder` in the order of the split; the facts of the entry."""
    good: list[Found] = []
    digests: list[bytes] = []
    bad: list[dict[str, str]] = []
    decoded = folder / "decoded.raw"
    with open(decoded, "wb") as file:
        for each, (digest, pixels, reason) in _decode_all(root, found, size, channels, progress):
            if pixels is None:
                bad.append({"path": printable(each.name), "reason": reason})
            else:
                good.append(each)
                digests.append(digest)
                file.write(np.ascontiguousarray(pixels).data)
    if len(set(digests)) < 2:
        first = f"; first bad one: {bad[0]['path']}: {bad[0]['reason']}" if bad else ""
        raise UserError(
            f"folder:{root}: {len(set(digests))} different images can be decoded out of "
            f"{len(found)} files, and a split needs 2{first}"
        )

    names = sorted({each.label for each in good if each.label is not None})
    position = {name: index for index, name in enumerate(names)}
    all_labels = np.array([position.get(each.label, 0) for each in good], dtype=np.int64)
    train, test = split_by_content(digests, all_labels.tolist(), holdout)
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


_Decoded = tuple[bytes, "np.ndarray | None", str]  # sha256 of the file, pixels or none, reason


def _decode_all(
    root: Path, found: list[Found], size: int, channels: int, progress: Progress | None
) -> Iterator[tuple[Found, _Decoded]]:
    """Each file with what became of it, in order. Threads, because Pillow lets go of the GIL."""

    def one(each: Found) -> _Decoded:
        try:
            data = _read(root / each.name, each.stamp)
            return hashlib.sha256(data).digest(), decode(data, size, channels), ""
        except BadImage as error:
            return b"", None, str(error)

    with quiet_pillow(), ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        for start in range(0, len(found), _BLOCK):
            block = found[start : start + _BLOCK]
            yield from zip(block, pool.map(one, block), strict=True)
            if progress is not None:
                progress(start + len(block), len(found))


def _read(path: Path, stamp: tuple[int, ...]) -> bytes:
    if not stamp:
        raise BadImage("a dead link" if path.is_symlink() else "not a regular file")
    if stamp[0] > MAX_BYTES:
        raise BadImage(f"{stamp[0]:,} bytes are more than any image within the pixel limit")
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadImage(f"cannot be read: {error.strerror or error}") from error
