"""Whether the files of a folder still are what was written: sizes and SHA-256 of their blocks.

Against accidents (a failing disk, a truncated copy, a stray write), not against forgery. SHA-256
because it is the fastest in the standard library where the processor has instructions for it, and
releases the GIL: blocks are read and hashed on all cores.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from steadygan.data.dataset import Progress

BLOCK = 2**24  # bytes with a digest of their own
_CHUNK = 2**20  # bytes read at once: they stay in the processor's cache until they are hashed
RECORD = "entry.json"


class Block(NamedTuple):
    """Bytes of a file with a digest of their own."""

    path: Path
    start: int
    length: int


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
            name: list(pool.map(_digest, _blocks(folder / name, sizes[name]))) for name in names
        }
    files = {name: {"bytes": sizes[name], "sha256": digests[name]} for name in names}
    text = json.dumps({"facts": facts, "files": files}).encode()
    with open(folder / RECORD, "wb") as file:
        file.write(hashlib.sha256(text).hexdigest().encode() + b"\n" + text)
        file.flush()
        os.fsync(file.fileno())


@dataclass(frozen=True)
class Seal:
    """`facts`: what was written beside the files. `blocks`: those of the files that are still to be
    compared, with the digest that each must have."""

    facts: dict[str, Any]
    blocks: dict[str, list[tuple[Block, str]]]

    def compare(self, name: str, which: Iterable[int], file: int) -> None:
        """Compare the blocks `which` of the file `name`, which is open for reading as `file`: its
        folder may be gone. Raises Damaged."""
        _compare([self.blocks[name][number] for number in which], file=file)


def read_seal(
    folder: Path, progress: Progress | None = None, later: Mapping[str, int] = MappingProxyType({})
) -> Seal:
    """What a sealed folder holds, once its files have been compared with their digests. Of those
    named in `later`, and of more bytes than that says, only the size is.

    `progress("checking", done, total)` counts blocks. Raises Damaged, with the first difference.
    """
    blocks: dict[str, list[tuple[Block, str]]] = {}
    now: list[tuple[Block, str]] = []
    try:
        record = _record(folder)
        for name, sealed in record["files"].items():
            size = (folder / name).stat().st_size
            if size != sealed["bytes"]:
                raise Damaged(f"{name} has {size:,} bytes, not {sealed['bytes']:,}")
            own = list(zip(_blocks(folder / name, size), sealed["sha256"], strict=True))
            if size > later.get(name, size):
                blocks[name] = own
            else:
                now += own
    except OSError as error:
        raise _unreadable(folder, error) from error
    _compare(now, progress)
    return Seal(record["facts"], blocks)


def _unreadable(folder: Path, error: OSError) -> Damaged:
    name = os.path.basename(error.filename or folder)
    return Damaged(f"{name}: {error.strerror or error}")


def _record(folder: Path) -> dict[str, Any]:
    digest, _, text = (folder / RECORD).read_bytes().partition(b"\n")
    if digest != hashlib.sha256(text).hexdigest().encode():
        raise Damaged(f"{RECORD} is not what was written")
    return json.loads(text)


def _compare(
    blocks: list[tuple[Block, str]], progress: Progress | None = None, file: int | None = None
) -> None:
    with _pool() as pool:
        try:
            found = pool.map(lambda each: _digest(each[0], file), blocks)
            for done, ((block, wanted), digest) in enumerate(zip(blocks, found, strict=True), 1):
                if digest != wanted:
                    last = block.start + block.length - 1
                    raise Damaged(
                        f"{block.path.name}: bytes {block.start:,} to {last:,} are not those "
                        "written"
                    )
                if progress is not None:
                    progress("checking", done, len(blocks))
        except OSError as error:
            raise _unreadable(blocks[0][0].path.parent, error) from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _blocks(path: Path, size: int) -> Iterator[Block]:
    """Those of a file; none of an empty one."""
    for start in range(0, size, BLOCK):
        yield Block(path, start, min(BLOCK, size - start))


def _digest(block: Block, file: int | None = None) -> str:
    """Hex SHA-256 of a block, of `file` where that is given. By plain reads: a memory map on a
    failing disk ends the process."""
    if file is None:
        with open(block.path, "rb", buffering=0) as opened:
            return _digest(block, opened.fileno())
    digest, chunk = hashlib.sha256(), memoryview(bytearray(min(_CHUNK, block.length)))
    at, end = block.start, block.start + block.length
    while at < end and (got := os.preadv(file, [chunk[: end - at]], at)):
        digest.update(chunk[:got])
        at += got
    return digest.hexdigest()


def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1))
