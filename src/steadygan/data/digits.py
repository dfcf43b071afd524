"""MNIST, shipped or in full, and Fashion-MNIST: IDX files with a split of their own."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from steadygan.data.cache import open_entry, write_rows
from steadygan.data.dataset import Dataset, DataSettings, Progress, fingerprint, from_rows
from steadygan.data.idx import find_idx, parse_pair, read_bytes
from steadygan.data.images import planes
from steadygan.errors import UserError

SHIPPED = Path(__file__).parent / "mnist"
SHIPPED_TRAIN = 9_000
DEBIAN_FASHION = Path("/usr/share/datasets/fashion-mnist")
DIGITS = tuple("0123456789")
GARMENTS = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
_BLOCK = 500  # images between two calls of progress


def open_mnist(path: Path | None, settings: DataSettings, progress: Progress | None) -> Dataset:
    """MNIST: the 9,000 + 1,000 shipped digits, or the 60,000 + 10,000 in the folder `path`.

    Raises UserError for a missing or damaged IDX file.
    """
    if path is not None:
        return _open_parts("mnist", path, DIGITS, settings, progress)
    pair = SHIPPED / "images-idx3-ubyte.gz", SHIPPED / "labels-idx1-ubyte.gz"
    return _open_files("mnist", "mnist", [pair], SHIPPED_TRAIN, DIGITS, settings, progress)


def open_fashion(path: Path | None, settings: DataSettings, progress: Progress | None) -> Dataset:
    """Fashion-MNIST, 60,000 + 10,000 garments, from the folder `path` or from Debian's package.

    Raises UserError for a missing or damaged IDX file.
    """
    if path is None and not DEBIAN_FASHION.is_dir():
        raise UserError(
            f"fashion-mnist is not in {DEBIAN_FASHION}: `apt-get install dataset-fashion-mnist`, "
            "or give the folder of its IDX files as fashion-mnist:DIR"
        )
    return _open_parts("fashion-mnist", path or DEBIAN_FASHION, GARMENTS, settings, progress)


def _open_parts(
    name: str,
    folder: Path,
    class_names: tuple[str, ...],
    settings: DataSettings,
    progress: Progress | None,
) -> Dataset:
    spec = f"{name}:{folder}"
    pairs = [
        (find_idx(folder, f"{part}-images", 3, spec), find_idx(folder, f"{part}-labels", 1, spec))
        for part in ("train", "t10k")
    ]
    return _open_files(name, spec, pairs, None, class_names, settings, progress)


def _open_files(
    name: str,
    spec: str,
    pairs: list[tuple[Path, Path]],
    train: int | None,
    class_names: tuple[str, ...],
    settings: DataSettings,
    progress: Progress | None,
) -> Dataset:
    """Open the (images, labels) files as one; the first `train` rows, or first pair, train."""
    files = [(read_bytes(images), read_bytes(labels)) for images, labels in pairs]
    content = hashlib.sha256()
    for data in (data for pair in files for data in pair):
        content.update(hashlib.sha256(data).digest())
    channels = settings.channels or 1
    slot = {"spec": spec, "size": settings.size, "channels": channels}

    def build(folder: Path) -> dict:
        parts = [parse_pair(*pair, *paths) for pair, paths in zip(files, pairs, strict=True)]
        pixels = [images for images, _ in parts]
        labels = np.concatenate([classes for _, classes in parts])
        size = settings.size or _native_size(pixels[0], pairs[0][0])
        shape = (len(labels), channels, size, size)
        rows = _resized(pixels, size, channels, len(labels), progress)
        digest = write_rows(folder / "items.npy", shape, rows)
        np.save(folder / "labels.npy", labels)
        first = len(pixels[0]) if train is None else train
        return {
            "train": first,
            "class_names": list(class_names),
            "quarantine": [],
            "fingerprint": fingerprint(digest, shape[1:], first, labels, class_names),
        }

    entry = open_entry(name, slot, content.hexdigest(), build)
    return from_rows(name, spec, entry.items, entry.labels, entry.facts, settings)


def _native_size(images: np.ndarray, path: Path) -> int:
    """The side of the images where no size is asked for; UserError beyond what `size=` takes."""
    side = min(images.shape[1:])
    if not 8 <= side <= 512:
        raise UserError(f"{path} holds images of {side} pixels; give size= of 8 to 512")
    return side


def _resized(
    parts: list[np.ndarray], size: int, channels: int, total: int, progress: Progress | None
) -> Iterator[np.ndarray]:
    """Blocks of rows, uint8 (n, channels, size, size); unchanged where the size is their own."""
    done = 0
    for images in parts:
        for start in range(0, len(images), _BLOCK):
            block = images[start : start + _BLOCK]
            if block.shape[1:] == (size, size):
                yield np.repeat(block[:, None], channels, axis=1)
            else:
                yield np.stack([planes(Image.fromarray(one), size, channels) for one in block])
            done += len(block)
            if progress is not None:
                progress(done, total)
