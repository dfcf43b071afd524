"""Whether a folder of images still is what it was, in little time and memory: of a million files no
names are kept, and several processes ask for the sizes and times of many."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple, TypeVar

from steadygan.data import stamping
from steadygan.data.dataset import Progress
from steadygan.data.scan import (
    Listing,
    folders,
    require_images,
    scan,
    uncollected,
    unreadable,
)
from steadygan.data.stamping import LENGTH, digest_of, digest_of_stamps
from steadygan.errors import UserError

T = TypeVar("T")
#: Files of a folder that have a digest of their own, and files that a process is started for.
SLICE, MOST = 4096, 2**17


class Stamped(NamedTuple):
    """`digest`: hex, changes when an image file is added, removed, renamed or written. `images`:
    how many there are. `others`: other files, as in `scan.Listing`."""

    digest: str
    images: int
    others: Counter[str]


class _Slice(NamedTuple):
    """Some files of a folder: its path below the root, and their names with NUL between them,
    which take little memory so."""

    below: bytes
    names: bytes

    @property
    def files(self) -> int:
        return self.names.count(b"\0") + 1


def stamped(root: Path, kind: str = "folder", progress: Progress | None = None) -> Stamped:
    """What `scan(root, kind, progress)` would list, without the list. Raises UserError likewise."""
    slices: list[_Slice] = []
    images, others = 0, Counter[str]()
    with uncollected():
        for below, found, rest in folders(root, kind, progress):
            others += rest
            images += len(found)
            names = [os.fsencode(each.name) for each in found]
            path = os.fsencode(below)
            slices += [_Slice(path, b"\0".join(some)) for some in _cut(names)]
    require_images(images, others, f"{kind}:{root}")
    slices.sort(key=lambda each: each.below)  # whichever was read first
    digests, done = [], 0
    with closing(_digests(slices, root, kind)) as found_digests:
        for each, digest in zip(slices, found_digests, strict=True):
            digests.append((each.below, digest))
            done += each.files
            if progress is not None and images > MOST:
                progress("comparing times of files", done, images)
    return Stamped(_combined(digests), images, others)


def listed(
    root: Path, digest: str, kind: str = "folder", progress: Progress | None = None
) -> Listing:
    """`scan(root, kind, progress)` of a folder that `stamped` has found to have that digest. Raises
    UserError likewise, and where it has changed since: what is decoded would not be what the digest
    says."""
    listing = scan(root, kind, progress)
    by_folder: dict[bytes, list[tuple[bytes, tuple[int, ...]]]] = {}
    for name, _, stamp in listing.found:
        below, _, own = os.fsencode(name).rpartition(b"/")
        by_folder.setdefault(below, []).append((own, stamp))
    now = [(below, digest_of_stamps(some)) for below in sorted(by_folder)
           for some in _cut(by_folder[below])]  # fmt: skip
    if _combined(now) != digest:
        raise UserError(f"{kind}:{root}: has changed while it was read; run again")
    return listing


def _cut(files: Sequence[T]) -> Iterator[Sequence[T]]:
    """The files of a folder in parts that have a digest of their own."""
    for start in range(0, len(files), SLICE):
        yield files[start : start + SLICE]


def _combined(digests: Iterable[tuple[bytes, str]]) -> str:
    """The digest of a whole, of those of its slices in the order of their folders' paths."""
    whole = hashlib.sha256()
    for below, digest in digests:
        whole.update(b"%s\0%s\n" % (below, digest.encode()))
    return whole.hexdigest()


def _digests(slices: Sequence[_Slice], root: Path, kind: str) -> Generator[str, None, None]:
    """The digest of each slice, in order: of many files by processes, since Python's lock would let
    only one thread ask at a time."""
    blocks: list[list[_Slice]] = []
    room = 0
    for each in slices:
        if room <= 0:
            blocks.append([])
            room = MOST
        blocks[-1].append(each)
        room -= each.files
    if len(blocks) == 1:
        yield from (_here(each, root, kind) for each in slices)
        return
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        try:
            answers = pool.map(lambda block: _by_process(block, root), blocks)
            for block, answer in zip(blocks, answers, strict=True):
                yield from answer or (_here(each, root, kind) for each in block)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _folder(each: _Slice, root: Path) -> bytes:
    return os.path.join(os.fsencode(root), each.below)


def _here(each: _Slice, root: Path, kind: str) -> str:
    folder = _folder(each, root)
    try:
        return digest_of(folder, each.names.split(b"\0"))
    except OSError as error:
        raise unreadable(Path(os.fsdecode(folder)), root, kind, error) from error


def _by_process(block: Sequence[_Slice], root: Path) -> list[str] | None:
    """None where there is no memory for a process, or it fails: what it was asked is then asked
    here, which says why."""
    asked = [_folder(each, root) + b"\0" + each.names for each in block]
    words = b"".join(len(each).to_bytes(LENGTH, "big") + each for each in asked)
    if not sys.executable:  # Python as a part of another program
        return None
    program = [sys.executable, "-I", "-S", stamping.__file__]
    with suppress(OSError):
        got = subprocess.run(program, input=words, capture_output=True, check=False)
        digests = got.stdout.decode().split()
        if got.returncode == 0 and len(digests) == len(block):
            return digests
    return None
