"""Decoded images on disk: built once, memory-mapped ever after, never seen half-built or stale.

An entry is a folder `<name>-<slot>-<key>` with `items.npy` (uint8 rows, the training part first),
`labels.npy` and `entry.json`. The slot stands for who asked (path and settings), the key for the
content too. It is built in a folder beside and renamed, so two processes may build at once.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL

from steadygan.errors import UserError

VERSION = 1  # of the layout below and of what images.py makes of a file
_BUILDING = ".building-"
_ABANDONED_SECONDS = 24 * 3600


@dataclass(frozen=True)
class Entry:
    """A whole cache entry. `items`: read-only memory map (N, C, H, W) uint8, `facts["train"]`
    rows of training first. `labels`: int64 (N,) or none. `facts`: what the builder returned."""

    items: np.ndarray
    labels: np.ndarray | None
    facts: dict


def cache_root() -> Path:
    """$STEADYGAN_CACHE, or steadygan under $XDG_CACHE_HOME or ~/.cache."""
    if own := os.environ.get("STEADYGAN_CACHE"):
        return Path(own).expanduser().absolute()
    if xdg := os.environ.get("XDG_CACHE_HOME"):
        return Path(xdg).expanduser().absolute() / "steadygan"
    return Path(os.path.expanduser("~")).absolute() / ".cache" / "steadygan"


def open_entry(name: str, slot: dict, content: str, build: Callable[[Path], dict]) -> Entry:
    """The entry for `content` (a digest) in `slot` (plain JSON values), built where missing.

    `build(folder)` writes `items.npy` by `write_rows`, `labels.npy` where there are labels, and
    returns the facts. Raises UserError where the cache cannot be written, or is too full.
    """
    # Pillow's version too: its decoders and kernels decide the pixels.
    versions = [VERSION, PIL.__version__]
    key = {"versions": versions, "slot": slot, "content": content}
    prefix = f"{name}-{_digest(slot)[:12]}-"
    home = cache_root() / f"{prefix}{_digest(key)[:24]}"
    if (entry := _load(home, key)) is not None:
        return entry
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(prefix=_BUILDING, dir=home.parent))
        try:
            facts = build(building)
            _write_durably(building / "entry.json", json.dumps({"key": key, "facts": facts}))
            entry = _publish(building, home, key)
            _sweep(home, prefix)
        finally:
            shutil.rmtree(building, ignore_errors=True)
    except OSError as error:
        raise UserError(
            f"cannot write the image cache {home.parent}: {error.strerror or error}; "
            "set STEADYGAN_CACHE to a folder with space that you can write"
        ) from error
    return entry


def write_rows(path: Path, shape: Sequence[int], blocks: Iterable[np.ndarray]) -> str:
    """Write uint8 `blocks` one after the other as one .npy of `shape`; the sha256 of the rows.

    Plain writes, not a memory map: on a full disk a map ends the process with SIGBUS.
    """
    digest = hashlib.sha256()
    with open(path, "wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": tuple(shape)}
        np.lib.format.write_array_header_1_0(file, header)
        for block in blocks:
            rows = np.ascontiguousarray(block, dtype=np.uint8)
            digest.update(rows)
            file.write(rows.data)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


def _load(home: Path, key: dict) -> Entry | None:
    """The entry, or none where it is missing, of other content, cut short or damaged."""
    try:
        record = json.loads((home / "entry.json").read_text(encoding="utf-8"))
        if record["key"] != key:
            return None
        items = np.load(home / "items.npy", mmap_mode="r", allow_pickle=False)
        labels = None
        if record["facts"]["class_names"] is not None:
            labels = np.load(home / "labels.npy", allow_pickle=False)
    except (OSError, ValueError, LookupError, TypeError):
        return None
    if labels is not None and len(labels) != len(items):
        return None
    return Entry(items, labels, record["facts"])


def _publish(building: Path, home: Path, key: dict) -> Entry:
    """Rename a finished build into place, unless another process was first with a whole one."""
    for _ in range(3):
        with suppress(OSError):  # a folder stands there: another process's, or a damaged one
            os.replace(building, home)
        if (entry := _load(home, key)) is not None:
            return entry
        _discard(home)
    raise UserError(f"the image cache entry {home} cannot be read back; run again")


def _sweep(home: Path, prefix: str) -> None:
    """Remove what the new entry makes stale, and builds that were killed a day ago or more."""
    for path in home.parent.iterdir():
        if path.name.startswith(prefix) and path != home:
            _discard(path)
        elif path.name.startswith(_BUILDING):
            try:
                age = time.time() - path.stat().st_mtime
            except FileNotFoundError:
                continue
            if age > _ABANDONED_SECONDS:
                shutil.rmtree(path, ignore_errors=True)


def _discard(path: Path) -> None:
    """Remove an entry; moved away first, so that nobody sees it half removed."""
    grave = path.with_name(f"{_BUILDING}{os.getpid()}-{time.monotonic_ns()}")
    try:
        os.replace(path, grave)
    except FileNotFoundError:
        return  # another process did it
    shutil.rmtree(grave, ignore_errors=True)


def _write_durably(path: Path, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _digest(value: dict) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
