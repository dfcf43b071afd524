"""Stroke medians of Chinese characters, from a folder of the npm package `hanzi-writer-data`.

The package is derived from Make Me a Hanzi, and that from Arphic's fonts, under the Arphic Public
License (its ARPHICPL.TXT): pass that file on with what is made of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from steadygan.errors import UserError

LICENCE = "ARPHICPL.TXT"
GET = "`npm pack hanzi-writer-data && tar xzf hanzi-writer-data-*.tgz`"
# The box the package draws in: x from 0 to 1024, y from 900 (top) down to -124.
_EM, _TOP = 1024.0, 900.0
_MAX_BYTES = 2**20  # the largest file of the package has 12 KB


@dataclass(frozen=True)
class Character:
    """A character and the centre lines of its strokes, in writing order: float64 (n, 2) each,
    x and y from 0 to 1, y down."""

    name: str
    strokes: tuple[np.ndarray, ...]


def gb2312_level_1() -> tuple[str, ...]:
    """The 3,755 characters of GB2312 level 1, in code order (B0A1 to D7F9), which is by pinyin."""
    rows = [(high, low) for high in range(0xB0, 0xD8) for low in range(0xA1, 0xFF)]
    return tuple(bytes(code).decode("gb2312") for code in rows if code <= (0xD7, 0xF9))


def require_package(folder: Path) -> None:
    """Raises UserError where `folder` is not that of the package, with its licence."""
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; give that of hanzi-writer-data: {GET}")
    if not (folder / LICENCE).is_file() or not (folder / "一.json").is_file():
        raise UserError(
            f"{folder}: no {LICENCE} or 一.json in it, so it is not the folder of "
            f"hanzi-writer-data; get it by {GET}, and give package/"
        )


def read_characters(folder: Path, names: Sequence[str]) -> tuple[list[Character], str]:
    """The characters called `names` and the hex sha256 of their files, in that order.

    Raises UserError that lists those the package lacks, and for a damaged file.
    """
    missing = [name for name in names if not (folder / f"{name}.json").is_file()]
    if missing:
        shown = "".join(missing[:20]) + ("..." if len(missing) > 20 else "")
        raise UserError(f"{folder}: has no strokes of {len(missing)} characters: {shown}")
    digest = hashlib.sha256()
    found = []
    for name in names:
        path = folder / f"{name}.json"
        try:
            if path.stat().st_size > _MAX_BYTES:
                raise ValueError("larger than any of the package")
            data = path.read_bytes()
            found.append(Character(name, _medians(json.loads(data))))
        except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
            why = " ".join(str(error).split())[:200]
            raise UserError(f"{path} is damaged: {why}; unpack the package again") from None
        digest.update(hashlib.sha256(data).digest())
    return found, digest.hexdigest()


def _medians(record: dict) -> tuple[np.ndarray, ...]:
    strokes = []
    for median in record["medians"]:
        points = np.array(median, dtype=np.float64)
        if points.ndim != 2 or points.shape[1] != 2 or len(points) < 2:
            raise ValueError(f"a stroke of shape {points.shape}")
        if not np.isfinite(points).all() or np.abs(points).max() > 4 * _EM:
            raise ValueError("a stroke far outside the box")
        strokes.append(np.stack([points[:, 0] / _EM, (_TOP - points[:, 1]) / _EM], axis=1))
    if not 1 <= len(strokes) <= 100:
        raise ValueError(f"{len(strokes)} strokes")
    return tuple(strokes)
