"""The stamps of files, and digests of them. Also a program of its own, for several processes at a
time (stamps.py): of the standard library alone, so that it starts in a few hundredths of a second.

It reads a folder and names in it, and answers with their digest:

    8 bytes, the length of what follows | folder NUL name NUL name ...    ->    64 hex digits
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from collections.abc import Sequence

#: Bytes of the length.
LENGTH = 8


def stamp_of(status: os.stat_result) -> tuple[int, ...]:
    """Size, mtime and ctime in ns; empty for what is no regular file: reading a pipe would hang.

    No program can set ctime back, as it can mtime."""
    if not stat.S_ISREG(status.st_mode):
        return ()
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def digest_of(folder: bytes, names: Sequence[bytes]) -> str:
    """Hex SHA-256 of the files `names` in `folder`: changes when one is written or goes away.

    Raises OSError where the folder cannot be opened.
    """
    there = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:  # from the folder on, the path to it is not walked for each file
        return digest_of_stamps([(name, _stamp(name, there)) for name in names])
    finally:
        os.close(there)


def digest_of_stamps(files: Sequence[tuple[bytes, tuple[int, ...]]]) -> str:
    """Hex SHA-256 of names and stamps."""
    return hashlib.sha256(b"".join([b"%s\0%r\n" % each for each in files])).hexdigest()


def _stamp(name: bytes, folder: int) -> tuple[int, ...]:
    try:
        return stamp_of(os.stat(name, dir_fd=folder))
    except OSError:  # a dead link, or gone since: reading it reports that
        return ()


def main() -> None:
    asked = sys.stdin.buffer
    while length := asked.read(LENGTH):
        folder, *names = asked.read(int.from_bytes(length, "big")).split(b"\0")
        print(digest_of(folder, names))


if __name__ == "__main__":
    main()
