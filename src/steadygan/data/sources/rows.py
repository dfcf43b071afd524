"""Data sets whose files hold plain pixels and a split of their own: resized, cached, described."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from steadygan.data.cache import open_entry, write_rows
from steadygan.data.dataset import Dataset, DataSettings, Progress, fingerprint, from_rows
from steadygan.data.images import planes
from steadygan.errors import UserError

_BLOCK = 500  # images between two calls of progress


@dataclass(frozen=True)
class Rows:
    """Pixels as they lie in the files. `parts`: uint8 (n, C, H, W), in order; the first `train`
    rows of all are for training. `labels`: int64 of all rows, with their `class_names`, or none."""

    parts: list[np.ndarray]
    labels: np.ndarray | None
    train: int
    class_names: tuple[str, ...] | None


def open_rows(
    name: str,
    spec: str,
    content: str,
    load: Callable[[], Rows],
    settings: DataSettings,
    progress: Progress | None,
    *,
    channels: int,
) -> Dataset:
    """The data set of what `load()` returns, which is called where the cache lacks it.

    `content` is a digest that changes with the files; `channels` the set's own. Raises UserError
    where the images' own side is not one that `size=` takes and `size=` is not given.
    """
    channels = settings.channels or channels
    slot = {"spec": spec, "size": settings.size, "channels": channels}

    def build(folder: Path) -> dict:
        rows = load()
        total = sum(len(part) for part in rows.parts)
        size = settings.size or _own_size(rows.parts[0], spec)
        shape = (total, channels, size, size)
        blocks = resized(rows.parts, size, channels, progress)
        digest = write_rows(folder / "items.npy", shape, blocks)
        if rows.labels is not None:
            np.save(folder / "labels.npy", rows.labels)
        names = None if rows.class_names is None else list(rows.class_names)
        return {
            "train": rows.train,
            "class_names": names,
            "quarantine": [],
            "fingerprint": fingerprint(digest, shape[1:], rows.train, rows.labels, names),
        }

    entry = open_entry(name, slot, content, build, progress)
    return from_rows(name, spec, entry.items, entry.labels, entry.facts, settings)


def resized(
    parts: list[np.ndarray], size: int, channels: int, progress: Progress | None
) -> Iterator[np.ndarray]:
    """Blocks of rows, uint8 (n, channels, size, size); unchanged where the size is their own."""
    done, total = 0, sum(len(part) for part in parts)
    for images in parts:
        for start in range(0, len(images), _BLOCK):
            block = images[start : start + _BLOCK]
            if block.shape[1:] == (channels, size, size):
                yield block
            elif block.shape[1:] == (1, size, size):
                yield np.repeat(block, channels, axis=1)
            else:
                yield np.stack([planes(_image(one), size, channels) for one in block])
            done += len(block)
            if progress is not None:
                progress("decoding", done, total)


def _image(pixels: np.ndarray) -> Image.Image:
    """A picture of uint8 (1, H, W) or (3, H, W)."""
    return Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0))


def _own_size(images: np.ndarray, spec: str) -> int:
    side = min(images.shape[2:])
    if not 8 <= side <= 512:
        raise UserError(f"{spec} holds images of {side} pixels; give size= of 8 to 512")
    return side
