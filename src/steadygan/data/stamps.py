"""Whether a folder of images still is what it was, in little time and memory: of a million files no
names are kept, and several processes ask for the sizes and times of many."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from steadygan.data import stamping
from steadygan.data.dataset import Progress
from steadygan.data.scan import folders, require_images, uncollected, unreadable
from steadygan.data.stamping import LENGTH, digest_of

#: Files of a digest of their own, and such digests that a process is started for.
SLICE, SLICES = 4096, 32


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
            for start in range(0, len(names), SLICE):
                some = b"\0".join(names[start : start + SLICE])
                slices.append(_Slice(os.fsencode(below), some))
    require_images(images, others, f"{kind}:{root}")
    slices.sort()  # whichever was read first
    whole, done = hashlib.sha256(), 0
    for each, digest in zip(slices, _digests(slices, root, kind), strict=True):
        whole.update(b"%s\0%s\n" % (each.below, digest.encode()))
        done += each.files
        if progress is not None and len(slices) > SLICES:
            progress("comparing times of files", done, images)
    return Stamped(whole.hexdigest(), images, others)


def _digests(slices: Sequence[_Slice], root: Path, kind: str) -> Iterator[str]:
    """The digest of each slice, in order: of many by processes, since Python's lock would let only
    one thread ask at a time."""
    blocks = [slices[start : start + SLICES] for start in range(0, len(slices), SLICES)]
    if len(blocks) == 1:
        yield from (_here(each, root, kind) for each in slices)
        return
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        answers = pool.map(lambda block: _by_process(block, root), blocks)
        for block, answer in zip(blocks, answers, strict=True):
            yield from answer or (_here(each, root, kind) for each in block)


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
    program = [sys.executable, "-I", "-S", stamping.__file__]
    with suppress(OSError):
        got = subprocess.run(program, input=words, capture_output=True, check=False)
        digests = got.stdout.decode().split()
        if got.returncode == 0 and len(digests) == len(block):
            return digests
    return None
