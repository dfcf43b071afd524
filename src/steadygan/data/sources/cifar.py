"""CIFAR-10, the binary version: records of a label and 3,072 bytes of red, green and blue planes.

Krizhevsky 2009, "Learning Multiple Layers of Features from Tiny Images", chapter 3.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from steadygan.data.dataset import Dataset, DataSettings, Progress
from steadygan.data.sources.rows import Rows, open_rows
from steadygan.errors import UserError

SIDE = 32
RECORD = 1 + 3 * SIDE * SIDE
TRAIN = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
TEST, NAMES = "test_batch.bin", "batches.meta.txt"
WHERE = (
    "unpack cifar-10-binary.tar.gz of https://www.cs.toronto.edu/~kriz/cifar.html and give its "
    "folder cifar-10-batches-bin"
)


def open_cifar10(path: Path | None, settings: DataSettings, progress: Progress | None) -> Dataset:
    """50,000 + 10,000 colour images of 32 x 32 in ten classes, from the files in the folder `path`.

    Raises UserError for a missing or damaged file, and for the archive of Python pickles: reading a
    pickle can run any program.
    """
    if path is None:
        raise UserError(f"--data cifar10 needs a path: cifar10:DIR; {WHERE}")
    folder = path / "cifar-10-batches-bin"
    folder = folder if folder.is_dir() else path
    spec = f"cifar10:{path}"
    _require_files(folder, spec)
    files = [folder / name for name in (*TRAIN, TEST, NAMES)]
    content = hashlib.sha256()
    for file in files:
        status = file.stat()
        stamp = (status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        content.update(f"{file.name} {stamp}\n".encode())

    def load() -> Rows:
        names = _class_names(folder / NAMES)
        parts = [_records(file, len(names)) for file in files[:-1]]
        labels = np.concatenate([part[:, 0] for part in parts]).astype(np.int64)
        pixels = [part[:, 1:].reshape(-1, 3, SIDE, SIDE) for part in parts]
        return Rows(pixels, labels, len(labels) - len(pixels[-1]), names)

    return open_rows("cifar10", spec, content.hexdigest(), load, settings, progress, channels=3)


def _require_files(folder: Path, spec: str) -> None:
    """Refuse a folder that lacks one of the files, with a message that fits the files found."""
    missing = [name for name in (*TRAIN, TEST, NAMES) if not (folder / name).is_file()]
    if not missing:
        return
    pickles = [folder, folder / "cifar-10-batches-py"]
    if any((place / "data_batch_1").is_file() for place in pickles):
        raise UserError(
            f"{spec}: these are the Python pickles of CIFAR-10, which are not read, since a pickle "
            f"can run any program; take the binary version: {WHERE}"
        )
    if not folder.is_dir():
        raise UserError(f"{spec}: {folder} is no folder; {WHERE}")
    raise UserError(f"{spec}: no {missing[0]} in {folder}; {WHERE}")


def _records(path: Path, classes: int) -> np.ndarray:
    """The records of a file, uint8 (n, 3073). Raises UserError for a length or label that no
    whole file has."""
    try:
        data = np.frombuffer(path.read_bytes(), dtype=np.uint8)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error
    if not len(data) or len(data) % RECORD:
        raise UserError(
            f"{path} is damaged: {len(data):,} bytes are no whole number of records of {RECORD:,}; "
            "unpack it again"
        )
    records = data.reshape(-1, RECORD)
    if records[:, 0].max() >= classes:
        raise UserError(
            f"{path} is damaged: label {records[:, 0].max()} where {NAMES} names {classes} "
            "classes; unpack it again"
        )
    return records


def _class_names(path: Path) -> tuple[str, ...]:
    try:
        names = tuple(path.read_text(encoding="utf-8").split())
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {path}: {error}") from error
    if not names or len(set(names)) < len(names):
        raise UserError(f"{path} is damaged: it holds {len(names)} names; unpack it again")
    return names
