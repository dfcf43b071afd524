"""`hanzi:DIR`: Chinese characters written by hand, from the strokes of `hanzi-writer-data`.

A set is built once by `data build hanzi`, into a folder: `images.npy` (uint8 N x 1 x size x size,
dark ink on white, the training part first), `labels.npy` and `writers.npy` (int64 N), `hanzi.json`
(what it is of), `sheet.png`, and the licence of the strokes. Whole writers are held out.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from pathlib import Path
from typing import Literal

import numpy as np

from steadygan.data.dataset import Dataset, DataSettings, Progress, fingerprint
from steadygan.data.sources.hanzi_strokes import GET
from steadygan.data.sources.rows import Rows, open_rows
from steadygan.errors import UserError

FORMAT, RECORD = 1, "hanzi.json"
_FILES = (RECORD, "images.npy", "labels.npy")


def open_hanzi(path: Path | None, settings: DataSettings, progress: Progress | None) -> Dataset:
    """A built set. Raises UserError without a path, and for a folder that is damaged or no set."""
    if path is None:
        raise UserError(
            f"--data hanzi needs a built set, hanzi:DIR: {GET}, then `steadygan data build "
            "hanzi package DIR`"
        )
    record, content = _read_record(path)
    names = tuple(record["classes"])

    def load() -> Rows:
        images = _array(path, "images", np.uint8, record, mmap_mode="r")
        labels = _array(path, "labels", np.int64, record)
        pixels = hashlib.sha256()
        for start in range(0, len(images), 1000):
            pixels.update(np.ascontiguousarray(images[start : start + 1000]).data)
        facts = pixels.hexdigest(), images.shape[1:], record["train"], labels, names
        if fingerprint(*facts) != record["fingerprint"]:
            raise _damaged(path, "its images or labels are not those that were built")
        return Rows([images], labels, record["train"], names)

    data = open_rows("hanzi", f"hanzi:{path}", content, load, settings, progress, channels=1)
    return dataclasses.replace(
        data,
        writers=writers_of(len(names), record["writers"], record["held_out_writers"]),
        writer_names=tuple(str(number) for number in range(record["writers"])),
    )


def writers_of(classes: int, writers: int, held: int) -> np.ndarray:
    """Who wrote each row, int64: class by class; the last `held` of them come last."""
    parts = np.arange(writers - held), np.arange(writers - held, writers)
    return np.concatenate([np.tile(part, classes) for part in parts])


def _read_record(path: Path) -> tuple[dict, str]:
    """hanzi.json, and a digest that changes when a file of the set is written."""
    if not (path / RECORD).is_file():
        what = "no hanzi.json in it" if path.is_dir() else "no such folder"
        raise UserError(
            f"hanzi:{path}: {what}; `steadygan data build hanzi PACKAGE {path}` makes a set"
        )
    digest = hashlib.sha256()
    try:
        text = (path / RECORD).read_bytes()
        record = json.loads(text)
        for name in _FILES:
            status = os.stat(path / name)
            digest.update(repr((status.st_size, status.st_mtime_ns, status.st_ctime_ns)).encode())
        names, train, writers = record["classes"], record["train"], record["writers"]
        held, newer = record["held_out_writers"], record["format"] > FORMAT
        whole = (
            isinstance(names, list)
            and all(isinstance(each, str) for each in names)
            and isinstance(record["fingerprint"], str)
            and isinstance(record["size"], int)
            and 0 < held < writers
            and train == len(names) * (writers - held) > 0
        )
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise _damaged(path, " ".join(f"{type(error).__name__}: {error}".split())) from None
    if newer:
        raise UserError(f"hanzi:{path} was built by a newer steadygan; build it again")
    if not whole:
        raise _damaged(path, "hanzi.json contradicts itself")
    return record, hashlib.sha256(text + digest.digest()).hexdigest()


def _array(
    path: Path, name: str, dtype: type, record: dict, mmap_mode: Literal["r"] | None = None
) -> np.ndarray:
    """An array of the set, its type and shape checked."""
    try:
        values = np.load(path / f"{name}.npy", mmap_mode=mmap_mode, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise _damaged(path, f"{name}.npy: " + " ".join(str(error).split())[:200]) from None
    size = record["size"]
    shape = (len(record["classes"]) * record["writers"],)
    shape += (1, size, size) if name == "images" else ()
    if values.dtype != dtype or values.shape != shape:
        raise _damaged(path, f"{name}.npy is {values.dtype} {values.shape}, not {shape}")
    return values


def _damaged(path: Path, why: str) -> UserError:
    return UserError(f"hanzi:{path} is damaged: {why}; build it again")
