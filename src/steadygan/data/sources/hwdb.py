"""`hwdb:DIR`: handwritten characters from the `.gnt` files of CASIA-HWDB, one per writer.

Liu et al. 2011, "CASIA Online and Offline Chinese Handwriting Databases". A record is the size of
the whole record (uint32), the character's GBK code (2 bytes), width and height (uint16 each), all
little-endian, and width x height bytes of grey ink on 255. Each character is fit into the image
with its aspect kept and a margin of a fourteenth of the side.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from steadygan.data.cache import open_entry, write_rows
from steadygan.data.dataset import Dataset, DataSettings, Progress, fingerprint, from_rows
from steadygan.data.images import MAX_PIXELS
from steadygan.data.scan import printable
from steadygan.errors import UserError

SIZE = 28
_HEADER = np.dtype([("size", "<u4"), ("code", "S2"), ("width", "<u2"), ("height", "<u2")])
_MAX_BAD_SHARE = 0.01  # of all bytes
_BLOCK = 500
_VERSION = 1  # of how records are converted


class Record(NamedTuple):
    """A character in a file: its name, where its pixels begin, and their width and height."""

    name: str
    at: int
    width: int
    height: int


def open_hwdb(path: Path | None, settings: DataSettings, progress: Progress | None) -> Dataset:
    """All `.gnt` files under `path`; the classes are their characters, in the order of Unicode.

    Whole writers (files) are held out, every 1/holdout-th. Damaged records are listed in the
    quarantine. Raises UserError for a folder without such files, with one writer only, and where
    more than 1 % of the bytes are damaged, unless `settings.allow_bad`.
    """
    if path is None:
        raise UserError("--data hwdb needs the folder of CASIA-HWDB's .gnt files: hwdb:DIR")
    files = _files(path)
    size, channels = settings.size or SIZE, settings.channels or 1
    slot = {
        "path": printable(str(path)),
        "size": size,
        "channels": channels,
        "holdout": settings.holdout,
        "version": _VERSION,
    }
    stamps = hashlib.sha256()
    for name, stamp in files:
        stamps.update(os.fsencode(name) + b"\0" + repr(stamp).encode() + b"\n")

    def build(folder: Path) -> dict:
        names = [name for name, _ in files]
        facts = _build(path, names, size, channels, settings.holdout, folder, progress)
        if _files(path) != files:
            raise UserError(f"hwdb:{path}: its files have changed while they were read; run again")
        return facts

    entry = open_entry("hwdb", slot, stamps.hexdigest(), build, progress)
    bad, share = entry.facts["quarantine"], entry.facts["bad_share"]
    if share > _MAX_BAD_SHARE and not settings.allow_bad:
        raise UserError(
            f"hwdb:{path}: {share:.1%} of the bytes are damaged, in {len(bad)} places (first: "
            f"{bad[0]['path']}: {bad[0]['reason']}); get these files again, or go on without them "
            "by --allow-bad"
        )
    data = from_rows("hwdb", f"hwdb:{path}", entry.items, entry.labels, entry.facts, settings)
    return dataclasses.replace(
        data,
        writers=np.repeat(np.arange(len(entry.facts["writers"])), entry.facts["items_of_writers"]),
        writer_names=tuple(entry.facts["writers"]),
    )


def records(data: bytes | np.ndarray) -> tuple[list[Record], list[tuple[int, int, str]]]:
    """The whole records of a .gnt file's bytes, and what is damaged as (start, end, reason).

    After a record whose lengths contradict each other, reading continues where one of them leads to
    a whole record; where neither does, the rest of the file is damaged.
    """
    data = np.frombuffer(data, np.uint8) if isinstance(data, bytes) else data
    good: list[Record] = []
    bad: list[tuple[int, int, str]] = []
    at = 0
    while at < len(data):
        if at + _HEADER.itemsize > len(data):
            bad.append((at, len(data), f"the file ends inside the header at byte {at:,}"))
            break
        size, code, width, height = _header(data, at)
        named = f"record at byte {at:,}"
        if size != _HEADER.itemsize + width * height:
            after = _next(data, at, (size, _HEADER.itemsize + width * height))
            rest = "" if after < len(data) else "; the rest of the file is left out"
            why = f"{named}: {size:,} bytes for {width} x {height} pixels{rest}"
            bad.append((at, after, why))
            at = after
            continue
        end = at + size
        if end > len(data):
            why = f"{named}: wants {size:,} bytes, {len(data) - at:,} are left"
            bad.append((at, len(data), why))
            break
        if width == 0 or height == 0 or width * height > MAX_PIXELS:
            bad.append((at, end, f"{named}: {width} x {height} pixels"))
        elif (name := character(code)) is None:
            bad.append((at, end, f"{named}: no character has the GBK code {code.hex().upper()}"))
        else:
            good.append(Record(name, at + _HEADER.itemsize, width, height))
        at = end
    return good, bad


def character(code: bytes) -> str | None:
    """The character of a tag code: two bytes of GBK, or one and a zero; none for any other."""
    try:
        name = (code[:1] if code[1:] == b"\0" else code).decode("gbk")
    except UnicodeDecodeError:
        return None
    return name if len(name) == 1 and name.isprintable() and not name.isspace() else None


def fitted(ink: np.ndarray, size: int) -> np.ndarray:
    """Grey ink on 255, uint8 (h, w), in the middle of a square of `size`, its aspect kept."""
    room = size - 2 * max(1, size // 14)
    height, width = ink.shape
    scale = room / max(height, width)
    shape = max(1, round(width * scale)), max(1, round(height * scale))
    square = np.full((size, size), 255, np.uint8)
    left, top = (size - shape[0]) // 2, (size - shape[1]) // 2
    made = Image.fromarray(ink).resize(shape, Image.Resampling.BICUBIC)
    square[top : top + shape[1], left : left + shape[0]] = np.asarray(made)
    return square


def _header(data: np.ndarray, at: int) -> tuple[int, bytes, int, int]:
    raw = data[at : at + _HEADER.itemsize].tobytes()
    size, _, width, height = np.frombuffer(raw, _HEADER)[0]
    return int(size), raw[4:6], int(width), int(height)


def _next(data: np.ndarray, at: int, steps: tuple[int, int]) -> int:
    """Where a whole record begins after the one at `at`, by either of its lengths; else the end."""
    for step in steps:
        start = at + step
        if step < _HEADER.itemsize or start + _HEADER.itemsize > len(data):
            continue
        size, code, width, height = _header(data, start)
        whole = size == _HEADER.itemsize + width * height and start + size <= len(data)
        if whole and width and height and character(code) is not None:
            return start
    return len(data)


def _files(root: Path) -> list[tuple[str, tuple[int, ...]]]:
    """Name below `root` and stamp of each .gnt file, sorted."""
    if not root.is_dir():
        raise UserError(f"hwdb:{root}: no such folder; give that of CASIA-HWDB's .gnt files")
    found = []
    for folder, inside, names in os.walk(root, onerror=_unreadable):
        inside.sort()
        for name in names:
            if name.lower().endswith(".gnt") and not name.startswith("."):
                path = Path(folder, name)
                try:
                    status = path.stat()
                except OSError as error:
                    raise UserError(f"cannot read {path}: {error.strerror}") from None
                if stat.S_ISREG(status.st_mode):
                    stamp = (status.st_size, status.st_mtime_ns, status.st_ctime_ns)
                    found.append((str(path.relative_to(root)), stamp))
    if not found:
        raise UserError(f"hwdb:{root}: no .gnt files in it or below; unpack CASIA-HWDB's archives")
    return sorted(found)


def _unreadable(error: OSError) -> None:
    raise UserError(f"cannot read {error.filename}: {error.strerror}") from None


def _bytes(path: Path) -> np.ndarray:
    try:
        if path.stat().st_size == 0:
            return np.zeros(0, np.uint8)
        return np.fromfile(path, np.uint8)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error


def _build(
    root: Path,
    names: list[str],
    size: int,
    channels: int,
    holdout: float,
    folder: Path,
    progress: Progress | None,
) -> dict:
    """Two passes: what the files hold, then their pixels, the writers for training first."""
    held: list[tuple[str, list[Record]]] = []
    quarantine: list[dict[str, str]] = []
    lost = total = 0
    for name in names:
        data = _bytes(root / name)
        good, bad = records(data)
        total += len(data)
        lost += sum(end - start for start, end, _ in bad)
        quarantine += [{"path": printable(name), "reason": reason} for _, _, reason in bad]
        if not len(data):
            quarantine.append({"path": printable(name), "reason": "empty file"})
        if good:
            held.append((name, good))
    if len(held) < 2:
        damage = f"; first damage: {quarantine[0]['reason']}" if quarantine else ""
        raise UserError(
            f"hwdb:{root}: {len(held)} of {len(names)} files can be read, and holding out a writer "
            f"needs 2{damage}"
        )
    train, test = _parts(held, holdout)
    order = [*train, *test]
    classes = sorted({record.name for _, found in order for record in found})
    position = {name: index for index, name in enumerate(classes)}
    labels = np.array([position[r.name] for _, found in order for r in found], dtype=np.int64)
    shape = (len(labels), channels, size, size)
    digest = write_rows(
        folder / "items.npy", shape, _pixels(root, order, size, channels, len(labels), progress)
    )
    np.save(folder / "labels.npy", labels)
    first = sum(len(found) for _, found in train)
    return {
        "train": first,
        "class_names": classes,
        "quarantine": quarantine,
        "bad_share": lost / max(total, 1),
        "writers": [printable(name) for name, _ in order],
        "items_of_writers": [len(found) for _, found in order],
        "fingerprint": fingerprint(digest, shape[1:], first, labels, classes),
    }


_Held = list[tuple[str, list[Record]]]


def _parts(held: _Held, holdout: float) -> tuple[_Held, _Held]:
    """Writers for training and writers held out, at least one each."""
    test = {
        index
        for index in range(len(held))
        if int(holdout * (index + 1) + 0.5) > int(holdout * index + 0.5)
    } or {len(held) - 1}
    if len(test) == len(held):
        test.remove(0)
    return (
        [each for index, each in enumerate(held) if index not in test],
        [each for index, each in enumerate(held) if index in test],
    )


def _pixels(
    root: Path,
    order: _Held,
    size: int,
    channels: int,
    total: int,
    progress: Progress | None,
) -> Iterator[np.ndarray]:
    """Blocks of rows, each of one writer at most, uint8 (n, channels, size, size)."""
    done = 0
    for name, found in order:
        data = _bytes(root / name)
        for start in range(0, len(found), _BLOCK):
            block = found[start : start + _BLOCK]
            rows = []
            for _, at, width, height in block:
                ink = data[at : at + width * height]
                if len(ink) != width * height:
                    raise UserError(f"{root / name} changed while it was read; run again")
                rows.append(fitted(ink.reshape(height, width), size))
            yield np.repeat(np.stack(rows)[:, None], channels, axis=1)
            done += len(block)
            if progress is not None:
                progress("decoding", done, total)
