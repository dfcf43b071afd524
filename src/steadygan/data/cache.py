"""Decoded images on disk: built once, then memory-mapped, never used incomplete or stale.

An entry is a folder `<name>-<slot>-<key>` with `items.npy` (uint8 rows, the training part first),
`labels.npy` and `entry.json`, which holds the facts and the digests of both (seal.py); every byte
is compared with them before it is used: when an entry is opened, or those of a large one when rows
are asked for (mapped.py). The slot is a digest of path and settings, the key one of the content
too. It is built in a temporary folder and renamed, so two processes may build at once; each locks
its folder, so that one left by a killed process is recognised: the next build of the same entry
goes on in it where an attempt (attempt.py) is worth that, and it is removed else.
"""

from __future__ import annotations

import fcntl
import glob
import hashlib
import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL

from steadygan.data.attempt import is_worth_keeping
from steadygan.data.dataset import Progress
from steadygan.data.mapped import Items, MappedRows
from steadygan.data.seal import Damaged, read_seal, write_seal
from steadygan.errors import DamagedDataError, UserError
from steadygan.locks import is_locked

VERSION = 4  # of the layout below and of what images.py makes of a file
_LOG = logging.getLogger(__name__)
_BUILDING = ".building-"
#: Bytes of a file that is compared when its entry is opened.
MOST_AT_ONCE = 2**28
_ABANDONED_SECONDS = 24 * 3600
_KEPT_SECONDS = 7 * 24 * 3600  # for an attempt to be gone on with


@dataclass(frozen=True)
class Entry:
    """A cache entry. `items`: read-only memory map (N, C, H, W) uint8, `facts["train"]`
    rows of training first. `labels`: int64 (N,) or none. `facts`: what the builder returned."""

    items: Items
    labels: np.ndarray | None
    facts: dict


def cache_root() -> Path:
    """$STEADYGAN_CACHE, or steadygan under $XDG_CACHE_HOME or ~/.cache."""
    if own := os.environ.get("STEADYGAN_CACHE"):
        return Path(own).expanduser().absolute()
    if xdg := os.environ.get("XDG_CACHE_HOME"):
        return Path(xdg).expanduser().absolute() / "steadygan"
    return Path(os.path.expanduser("~")).absolute() / ".cache" / "steadygan"


def open_entry(
    name: str,
    slot: dict,
    content: str,
    build: Callable[[Path], dict],
    progress: Progress | None = None,
) -> Entry:
    """The entry for `content` (a digest) in `slot` (plain JSON values), built where missing.

    `build(folder)`, given what an attempt has left or an empty folder, writes `items.npy` by
    `write_rows`, `labels.npy` where there are labels, and returns the facts. A damaged entry is
    reported (a log warning, which the command line prints) and rebuilt; rows of large items raise
    DamagedDataError when they are read. Raises UserError where the cache cannot be written, or the
    disk is full.
    """
    # Pillow's version too: its decoders and kernels determine the pixels.
    versions = [VERSION, PIL.__version__]
    key = {"versions": versions, "slot": slot, "content": content}
    prefix = f"{name}-{_digest(slot)[:12]}-"
    home = cache_root() / f"{prefix}{_digest(key)[:24]}"
    _sweep(home.parent)
    try:
        if (entry := _load(home, key, progress)) is not None:
            return entry
    except Damaged as damage:
        _LOG.warning("image cache: %s is damaged (%s): built again", home, damage)
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        with _building(home, prefix) as building:
            write_seal(building, {"key": key, **build(building)})
            entry = _publish(building, home, key)
            _remove_stale(home, prefix)
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
            digest.update(rows.data)
            file.write(rows.data)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


def _load(home: Path, key: dict, progress: Progress | None = None) -> Entry | None:
    """The entry, or none where there is none. Raises Damaged for one that is not what was built."""
    try:
        seal = read_seal(home, progress, later={"items.npy": MOST_AT_ONCE})
        facts = seal.facts
        if facts["key"] != key:
            raise Damaged("it is another's")
        items: Items
        if "items.npy" in seal.blocks:
            items = MappedRows(home / "items.npy", seal, _removed)
        else:
            items = np.load(home / "items.npy", mmap_mode="r", allow_pickle=False)
        labels = None
        if facts["class_names"] is not None:
            labels = np.load(home / "labels.npy", allow_pickle=False)
    except (Damaged, OSError) as error:
        if not home.exists():  # never was, or another process has just removed it
            return None
        raise Damaged(str(error)) from error
    return Entry(items, labels, facts)


def _removed(path: Path, file: int, damage: Damaged) -> DamagedDataError:
    """What ends a command that has read a damaged part of the large items `path`, open as `file`.
    Their entry is removed, unless another one has taken its place."""
    home, advice = path.parent, "run again"
    try:
        if os.path.samestat(os.fstat(file), os.stat(path)):
            _discard(home)
    except FileNotFoundError:
        pass  # removed by another process
    except OSError:
        advice = f"remove {home} and run again"
    return DamagedDataError(
        f"image cache: {home} is damaged ({damage}): {advice} (`steadygan resume` for a run), and "
        "its images are decoded anew"
    )


def _publish(building: Path, home: Path, key: dict) -> Entry:
    """Rename a finished build into place, unless another process was first with a whole one."""
    for _ in range(3):
        with suppress(OSError):  # a folder stands there: another process's, or a damaged one
            os.replace(building, home)
        with suppress(Damaged):
            if (entry := _load(home, key)) is not None:
                return entry
        _discard(home)
    raise UserError(f"the image cache entry {home} cannot be read back; run again")


def _remove_stale(home: Path, prefix: str) -> None:
    """Remove the entries of the same slot that the new one replaces."""
    for path in home.parent.iterdir():
        if path.name.startswith(prefix) and path != home:
            _discard(path)


@contextmanager
def _building(home: Path, prefix: str) -> Iterator[Path]:
    """A folder beside `home`, locked while this process lives and builds in it: what a killed one
    has left of the same entry, or a new one. Removed at the end, but for an attempt that a signal
    stops and that is worth going on with."""
    root = home.parent
    with _locked(root, fcntl.LOCK_EX):  # no sweep, and no other builder, between the two
        path = _left_of(home, prefix) or Path(
            tempfile.mkdtemp(prefix=f"{_BUILDING}{home.name}-", dir=root)
        )
        lock = _opened(path)
        with suppress(OSError):  # no locks on this file system: its age decides
            fcntl.flock(lock, fcntl.LOCK_EX)
    keep = False
    try:
        yield path
    except BaseException as stop:  # a signal, but no error of the build
        keep = not isinstance(stop, Exception) and is_worth_keeping(path)
        raise
    finally:
        if not keep:
            shutil.rmtree(path, ignore_errors=True)
        os.close(lock)


def _left_of(home: Path, prefix: str) -> Path | None:
    """An attempt at the entry `home` that no process builds in; those at others of its slot, whose
    files have changed since, are removed."""
    left = None
    for path in home.parent.glob(f"{_BUILDING}{glob.escape(prefix)}*"):
        if is_locked(path) is not False or not is_worth_keeping(path):
            continue
        if path.name.startswith(f"{_BUILDING}{home.name}-"):
            left = path
        else:
            shutil.rmtree(path, ignore_errors=True)
    return left


def _sweep(root: Path) -> None:
    """Remove what killed builders left, but for attempts that are worth going on with."""
    with suppress(OSError):  # no cache yet, or one that cannot be written: the build says so
        left = [path for path in root.iterdir() if path.name.startswith(_BUILDING)]
        if left:
            with _locked(root, fcntl.LOCK_EX):
                left = [path for path in left if _abandoned(path)]
        for path in left:
            shutil.rmtree(path, ignore_errors=True)


def _abandoned(path: Path) -> bool:
    """Whether no process builds in the folder (its lock is free or, without locks, it is old), or
    will."""
    locked, age = is_locked(path), time.time() - path.stat().st_mtime
    if locked is None:
        return age > _ABANDONED_SECONDS
    return not locked and not (is_worth_keeping(path) and age < _KEPT_SECONDS)


@contextmanager
def _locked(folder: Path, how: int) -> Iterator[None]:
    """A short lock on the cache itself; none where the file system has no locks."""
    lock = _opened(folder)
    try:
        with suppress(OSError):
            fcntl.flock(lock, how)
        yield
    finally:
        os.close(lock)


def _opened(folder: Path) -> int:
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY)


def _discard(path: Path) -> None:
    """Remove an entry; moved away first, so that no reader finds it half removed."""
    grave = path.with_name(f"{_BUILDING}{os.getpid()}-{time.monotonic_ns()}")
    try:
        os.replace(path, grave)
    except FileNotFoundError:
        return  # another process did it
    shutil.rmtree(grave, ignore_errors=True)


def _digest(value: dict) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
