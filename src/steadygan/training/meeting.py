"""Where processes of one machine meet to share memory: a folder that is gone once they have met."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from steadygan.game.shared_memory import PIECE, SharedMemory

T = TypeVar("T")
#: How long processes that have told each other where to meet wait there.
MEETING_SECONDS = 30.0
#: Memory that is a file system on Linux; elsewhere the folder for temporary files is mapped.
MEMORY = Path("/dev/shm")


def meet(
    rank: int, count: int, tell: Callable[[str], list[str]], patience: float
) -> SharedMemory | None:
    """The memory of `count` processes of one machine, made by all of them at once; None, in all of
    them, where they are not of one machine or cannot share memory.

    `tell` says a text to all and gives what each has said, in the order of ranks. A process that is
    silent for `patience` seconds counts as lost from then on.
    """
    sockets: list[socket.socket] = []
    folder = _folder(2 * count * PIECE) if rank == 0 else None
    try:
        where = Path(tell(str(folder or ""))[0])
        if where == Path():
            return None
        with socket.socket(socket.AF_UNIX) as listener:
            memory = _in_all(lambda: _opened(where, rank, count, listener), tell)
            if memory is None:
                return None
            met = _in_all(lambda: _connect(where, rank, count, listener, sockets), tell)
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
    if met:
        return SharedMemory(rank, memory, sockets, patience)
    for each in sockets:
        each.close()
    return None


def _in_all(make: Callable[[], T], tell: Callable[[str], list[str]]) -> T | None:
    """What `make()` gives, where it fails in no process."""
    try:
        made, said = make(), "made"
    except (OSError, RuntimeError):  # torch's error where a file cannot be mapped
        made, said = None, ""
    return made if all(tell(said)) else None


def _folder(size: int) -> Path | None:
    """A new folder with a file of `size` bytes, which are there and not only promised; None where
    there is no room."""
    folder = None
    try:
        in_memory = MEMORY if os.access(MEMORY, os.W_OK) else None
        folder = Path(tempfile.mkdtemp(prefix="steadygan-", dir=in_memory))
        (folder / "memory").write_bytes(bytes(size))
    except OSError:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        return None
    return folder


def _opened(folder: Path, rank: int, count: int, listener: socket.socket) -> Tensor:
    """The memory of all; process `rank` listens from now on."""
    file = folder / "memory"
    size = file.stat().st_size  # torch would make one that is not there
    memory = torch.from_file(str(file), shared=True, size=size, dtype=torch.uint8)
    listener.bind(str(folder / str(rank)))
    listener.listen(count)
    listener.settimeout(MEETING_SECONDS)
    return memory.view(2, count, PIECE)


def _connect(
    folder: Path, rank: int, count: int, listener: socket.socket, sockets: list[socket.socket]
) -> bool:
    """Fill `sockets` with one to each other process: it calls those before it."""
    for other in range(rank):
        sockets.append(socket.socket(socket.AF_UNIX))
        sockets[-1].settimeout(MEETING_SECONDS)
        sockets[-1].connect(str(folder / str(other)))
    sockets.extend(listener.accept()[0] for _ in range(rank + 1, count))
    return True
