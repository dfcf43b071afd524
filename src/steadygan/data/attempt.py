"""What an unfinished preparation has decoded: rows of pixels, and a line about each image.

Both files lie in the folder that a cache entry is built in. When the process is killed they stay,
and the next preparation of the same images goes on behind the last image whose row is whole.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple

import numpy as np

from steadygan.data.images import Traits

ROWS, LINES = "decoded.raw", "decoded.jsonl"
_OFTEN = 256  # images between two writes to disk
#: Bytes of lines, of some 400 images or more, below which it is as quick to start anew.
WORTH = 2**16


class Decoded(NamedTuple):
    """The result for an image: the SHA-256 of its file, its pixels with theirs, and their traits,
    or the reason why there are none. Of an image from an earlier attempt `pixels` is none."""

    file: bytes = b""
    pixels: np.ndarray | None = None
    traits: Traits = Traits()
    reason: str = ""
    digest: bytes = b""

    @classmethod
    def of(cls, data: bytes, pixels: np.ndarray, traits: Traits) -> Decoded:
        """What a file's bytes `data` became."""
        pixels = np.ascontiguousarray(pixels)
        digest = hashlib.sha256(pixels.data).digest()
        return cls(hashlib.sha256(data).digest(), pixels, traits, digest=digest)


class Attempt:
    """The rows and lines in `folder`, of pixels that take `row` bytes an image.

    `known()` first, then `note` for each further image in order. Pixels of 16-bit grey are written
    once their scale is known, by `write`, behind all others: those are decoded again.
    """

    def __init__(self, folder: Path, row: int) -> None:
        self.folder, self.row = folder, row
        self.images = 0
        self._rows, self._lines = _opened(folder / ROWS), _opened(folder / LINES)

    def __enter__(self) -> Attempt:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        try:
            self._rows.close()
        finally:
            self._lines.close()

    def known(self) -> Iterator[Decoded]:
        """The results of an earlier attempt, each compared with its row; what follows the first
        that is not whole is cut off."""
        rows = lines = 0
        for line in self._lines:
            try:
                got = from_plain(json.loads(line)) if line.endswith(b"\n") else None
            except (ValueError, TypeError):  # a disk that lost its last blocks
                got = None
            if got is None or (_has_row(got) and not self._is_whole(got)):
                break
            rows, lines = rows + _has_row(got), lines + len(line)
            self.images += 1
            yield got
        for file, end in ((self._rows, rows * self.row), (self._lines, lines)):
            file.seek(end)
            file.truncate()

    def _is_whole(self, got: Decoded) -> bool:
        return hashlib.sha256(self._rows.read(self.row)).digest() == got.digest

    def note(self, got: Decoded) -> None:
        """Keep the result of the next image."""
        if self.images % _OFTEN == 0:  # rows first: a line without its row is cut off
            self._rows.flush()
            self._lines.flush()
        self._lines.write(json.dumps(as_plain(got)).encode() + b"\n")
        self.images += 1
        if _has_row(got):
            self.write(got)

    def write(self, got: Decoded) -> None:
        assert got.pixels is not None
        self._rows.write(got.pixels.data)

    def remove(self) -> None:
        """Remove the files, when the entry has its own."""
        for name in (ROWS, LINES):
            (self.folder / name).unlink()


def is_worth_keeping(folder: Path) -> bool:
    """Whether a folder has enough lines of an attempt to go on from."""
    try:
        return (folder / LINES).stat().st_size >= WORTH
    except OSError:
        return False


def as_plain(got: Decoded) -> list:
    """All but the pixels, as JSON values."""
    return [got.reason, got.file.hex(), got.digest.hex(), *got.traits]


def from_plain(value: list) -> Decoded:
    """The inverse of `as_plain`; ValueError or TypeError for anything else."""
    reason, file, digest, levels, *rest = value
    traits = Traits(None if levels is None else tuple(levels), *rest)
    return Decoded(bytes.fromhex(file), None, traits, reason, bytes.fromhex(digest))


def _has_row(got: Decoded) -> bool:
    return not got.reason and got.traits.levels is None


def _opened(path: Path) -> BinaryIO:
    """For reading and writing from the start, without cutting off what is there."""
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b")
