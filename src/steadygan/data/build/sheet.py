"""A contact sheet: small pictures in a grid, a row a class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from steadygan.files import writing

ROWS = COLUMNS = 16
_GAP, _PAPER = 2, 235


def chosen_rows(labels: np.ndarray | None, count: int) -> list[list[int]]:
    """Which images lie in which row of a sheet of 16 rows: 16 of each of 16 classes spread over
    all, several rows of each of fewer classes, or 256 spread over all where there are no labels."""
    if labels is None:
        return _spread(np.arange(count), ROWS)
    present = np.unique(labels)
    classes = present[np.linspace(0, len(present) - 1, min(len(present), ROWS)).astype(int)]
    rows = []
    for label in classes:
        rows += _spread(np.flatnonzero(labels == label), max(1, ROWS // len(classes)))
    return rows


def _spread(members: np.ndarray, rows: int) -> list[list[int]]:
    """At most `rows` rows of members, evenly spread."""
    most = min(len(members), rows * COLUMNS)
    some = members[np.linspace(0, len(members) - 1, most).astype(int)].tolist()
    return [some[start : start + COLUMNS] for start in range(0, most, COLUMNS)]


def contact_sheet(rows: list[list[np.ndarray]]) -> Image.Image:
    """Images uint8 (C, H, W), all of one shape, as one picture; pixels are doubled below 64."""
    channels, height, width = rows[0][0].shape
    columns = max(len(row) for row in rows)
    size = (_GAP + len(rows) * (height + _GAP), _GAP + columns * (width + _GAP))
    sheet = np.full((*size, channels), _PAPER, dtype=np.uint8)
    for r, row in enumerate(rows):
        for c, pixels in enumerate(row):
            top, left = _GAP + r * (height + _GAP), _GAP + c * (width + _GAP)
            sheet[top : top + height, left : left + width] = pixels.transpose(1, 2, 0)
    image = Image.fromarray(sheet[..., 0] if channels == 1 else sheet)
    return image if height >= 64 else image.resize((image.width * 2, image.height * 2), 0)


def save_sheet(image: Image.Image, path: Path) -> None:
    """Write a PNG atomically. Raises UserError where it cannot be written."""
    with writing(path) as file:
        image.save(file, "PNG")
