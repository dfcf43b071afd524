"""MNIST, shipped or in full, and Fashion-MNIST: IDX files with a split of their own."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from steadygan.data.dataset import Dataset, DataSettings, Progress
from steadygan.data.sources.idx import find_idx, parse_pair, read_bytes
from steadygan.data.sources.rows import Rows, open_rows
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
    """Open the (images, labels) files as one; the first `train` rows, or the first pair, are for
    training."""
    files = [(read_bytes(images), read_bytes(labels)) for images, labels in pairs]
    content = hashlib.sha256()
    for data in (data for pair in files for data in pair):
        content.update(hashlib.sha256(data).digest())

    def load() -> Rows:
        parts = [parse_pair(*pair, *paths) for pair, paths in zip(files, pairs, strict=True)]
        labels = np.concatenate([classes for _, classes in parts])
        pixels = [images[:, None] for images, _ in parts]
        return Rows(pixels, labels, len(pixels[0]) if train is None else train, class_names)

    return open_rows(name, spec, content.hexdigest(), load, settings, progress, channels=1)
