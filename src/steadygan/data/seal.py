"""Whether the files of a folder still are what was written: sizes and SHA-256 of their blocks.

Against accidents (a failing disk, a truncated copy, a stray write), not against forgery. SHA-256
because it is the fastest in the standard library where the processor has instructions for it, and
releases the GIL: blocks are read and hashed on all cores.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from steadygan.data.dataset import Progress

BLOCK = 2**24  # bytes with a digest of their own
_CHUNK = 2**20  # bytes read at once: they stay in the processor's cache until they are hashed
RECORD = "entry.json"


class Damaged(Exception):
    """A sealed folder that is not what was written; the text says which file, and where."""


def write_seal(folder: Path, facts: dict[str, Any]) -> None:
    """Write `facts` (plain JSON values) and the digests of every file in `folder` beside them.

    The first line of the record is the SHA-256 of the rest. Raises OSError.
    """
    names = sorted(path.name for path in folder.iterdir())
    sizes = {name: (folder / name).stat().st_size for name in names}
    with _pool() as pool:
        digests = {
            name: list(pool.map(lambda block: _digest(*block), _blocks(folder / name, sizes[name])))
            for name in names
        }
    files = {name: {"bytes": sizes[name], "sha256": digests[name]} for name in names}
    text = json.dumps({"facts": facts, "files": files}).encode()
    with open(folder / RECORD, "wb") as file:
        file.write(hashlib.sha256(text).hexdigest().encode() + b"\n" + text)
        file.flush()
        os.fsync(file.fileno())


def read_seal(folder: Path, progress: Progress | None = None) -> dict[str, Any]:
    """The facts of a sealed folder, once every byte of it has been compared with its digest.

    `progress("checking", done, total)` counts blocks. Raises Damaged, with the first difference.
    """
    try:
        record = _record(folder)
        blocks: list[tuple[Path, int, int]] = []
        wanted: list[str] = []
        for name, sealed in record["files"].items():
            size = (folder / name).stat().st_size
            if size != sealed["bytes"]:
                raise Damaged(f"{name} has {size:,} bytes, not {sealed['bytes']:,}")
            blocks += _blocks(folder / name, size)
            wanted += sealed["sha256"]
        _compare(blocks, wanted, progress)
    except OSError as error:
        name = os.path.basename(error.filename or folder)
        raise Damaged(f"{name}: {error.strerror or error}") from error
    return record["facts"]


def _record(folder: Path) -> dict[str, Any]:
    digest, _, text = (folder / RECORD).read_bytes().partition(b"\n")
    if digest != hashlib.sha256(text).hexdigest().encode():
        raise Damaged(f"{RECORD} is not what was written")
    return json.loads(text)


def _compare(
    blocks: list[tuple[Path, int, int]], wanted: list[str], progress: Progress | None
) -> None:
    with _pool() as pool:
        for done, digest in enumerate(pool.map(lambda block: _digest(*block), blocks)):
            if digest != wanted[done]:
                path, start, length = blocks[done]
                pool.shutdown(wait=False, cancel_futures=True)
                raise Damaged(
                    f"{path.name}: bytes {start:,} to {start + length - 1:,} are not those written"
                )
            if progress is not None:
                progress("checking", done + 1, len(blocks))


def _blocks(path: Path, size: int) -> Iterator[tuple[Path, int, int]]:
    """File, start and length of each block; none of an empty file."""
    for start in range(0, size, BLOCK):
        yield path, start, min(BLOCK, size - start)


def _digest(path: Path, start: int, length: int) -> str:
    """Hex SHA-256 of a part of a file. By plain reads: a memory map on a failing disk ends the
    process."""
    digest, chunk = hashlib.sha256(), memoryview(bytearray(min(_CHUNK, length)))
    with open(path, "rb", buffering=0) as file:
        file.seek(start)
        while length and (got := file.readinto(chunk[: min(length, len(chunk))])):
            digest.update(chunk[:got])
            length -= got
    return digest.hexdigest()


def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1))
