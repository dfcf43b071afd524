"""Rows of a large file of the cache: mapped, and compared with their digests when first asked for.

A run that begins needs a batch, not the ten gigabytes that it comes from: of a random batch each
block of the file that it touches is compared, of the next one what is left.
"""

from __future__ import annotations

import copy
import os
import weakref
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from steadygan.data.seal import BLOCK, Damaged, Seal


class MappedRows:
    """Read-only rows (N, ...) of a sealed .npy file, as an array; what it gives is one.

    Nothing reads a row whose blocks have not been compared. `damaged(path, file, error)` gives what
    to raise where one is not what was written; `file` is open for reading. Raises Damaged where the
    header is not.
    """

    def __init__(
        self, path: Path, seal: Seal, damaged: Callable[[Path, int, Damaged], Exception]
    ) -> None:
        self._path, self._damaged = path, damaged
        self._blocks = _Blocks(path, seal)
        self._blocks.require([0])  # with the shape
        with os.fdopen(os.dup(self._blocks.file), "rb") as file:  # whatever `path` is by now
            np.lib.format.read_magic(file)
            shape, _, kind = np.lib.format.read_array_header_1_0(file)
            self._offset = file.tell()
            self._rows: np.ndarray = np.memmap(
                file, kind, mode="r", offset=self._offset, shape=shape
            )
        self._size = self._rows[:1].nbytes

    @property
    def shape(self) -> tuple[int, ...]:
        return self._rows.shape

    @property
    def dtype(self) -> np.dtype:
        return self._rows.dtype

    @property
    def ndim(self) -> int:
        return self._rows.ndim

    @property
    def nbytes(self) -> int:
        return self._rows.nbytes

    def __len__(self) -> int:
        return len(self._rows)

    def between(self, start: int, stop: int | None) -> MappedRows:
        """The rows from `start` to before `stop`, which are compared when asked for, too."""
        part = copy.copy(self)
        part._rows, part._offset = self._rows[start:stop], self._offset + start * self._size
        return part

    def __getitem__(self, which: Any) -> np.ndarray:
        if self._blocks.left:
            first = self._offset + self._size * self._places(which)
            # A row is smaller than a block, so it lies in one or two.
            touched = np.union1d(first // BLOCK, (first + self._size - 1) // BLOCK)
            try:
                self._blocks.require(touched.tolist())
            except Damaged as error:
                raise self._damaged(self._path, self._blocks.file, error) from error
        return self._rows[which]

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[row] for row in range(len(self)))

    def __array__(self, *given: Any, **more: Any) -> np.ndarray:
        return np.array(self[:], *given, **more)

    def _places(self, which: Any) -> np.ndarray:
        """The rows that an index names, int64."""
        rows = which[0] if isinstance(which, tuple) else which
        if isinstance(rows, slice):
            return np.arange(*rows.indices(len(self)))
        places = np.asarray(rows)
        if places.dtype == bool:
            return np.flatnonzero(places)
        places = places.astype(np.int64)
        return np.where(places < 0, places + len(self), places)


#: What a data set reads its items from.
Items = np.ndarray | MappedRows


def between(items: Items, start: int, stop: int | None = None) -> Items:
    """The items from `start` to before `stop`, of which nothing is read."""
    if isinstance(items, MappedRows):
        return items.between(start, stop)
    return items[start:stop]


class _Blocks:
    """The blocks of the file `path` that are still to be compared."""

    def __init__(self, path: Path, seal: Seal) -> None:
        self._name, self._seal = path.name, seal
        self.file = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self.file)
        self.left = set(range(len(seal.blocks[path.name])))

    def require(self, which: Iterable[int]) -> None:
        """Compare the blocks `which`, but those that were compared before. Raises Damaged."""
        if new := sorted(self.left.intersection(which)):
            self._seal.compare(self._name, new, self.file)
            self.left.difference_update(new)
