"""Messages between processes of one machine: their numbers lie in memory that all of them map, and
a byte through a socket says that they are there.

torch.distributed's gloo hands each message to threads and TCP: more than a millisecond for 64
numbers, which a light iteration with batch norm sends eighteen times. This takes a small part of it
(`python -m benchmarks.processes`).
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress

import torch
from torch import Tensor

#: Bytes of a process's part of the memory; longer messages go in pieces.
PIECE = 2**20
#: How often another process's byte is looked for, some .1 ms in all, before this one sleeps until
#: it is there: to be woken takes longer than the others let it wait most times.
LOOKS = 100


class SharedMemory:
    """The memory that processes 0 to n - 1 of a machine share, seen by one of them.

    `memory`: bytes, (2, n, `PIECE`): two parts a process, which it fills in turn. It fills one
    again only when all have said that they are past the message after the one in it.
    `sockets`: one to each other process, which counts as lost once it is silent for `patience`
    seconds.
    """

    def __init__(
        self, rank: int, memory: Tensor, sockets: list[socket.socket], patience: float
    ) -> None:
        self._rank, self._memory, self._sockets = rank, memory, sockets
        self._looking = [each.dup() for each in sockets]
        for sleeping, looking in zip(self._sockets, self._looking, strict=True):
            looking.setblocking(False)
            sleeping.settimeout(patience)
        self._half = 0

    def gathered(self, own: Tensor) -> Tensor:
        """The contiguous CPU tensors (...) of all processes, of one shape: (n, ...).

        Raises OSError where a process has ended or is silent.
        """
        found = own.new_empty((self._memory.shape[1], *own.shape))
        rows = found.view(len(found), -1).view(torch.uint8)
        for place, pieces in self._exchanged(own):
            rows[:, place].copy_(pieces)
        return found

    def summed(self, own: Tensor) -> Tensor:
        """The sum of what `gathered` would give, added in the order of ranks, in the memory of
        `own`. Raises likewise."""
        flat = own.view(-1).view(torch.uint8)
        for place, pieces in self._exchanged(own):
            torch.sum(pieces.view(own.dtype), 0, out=flat[place].view(own.dtype))
        return own

    def close(self) -> None:
        for each in (*self._sockets, *self._looking):
            each.close()

    def _exchanged(self, own: Tensor) -> Iterator[tuple[slice, Tensor]]:
        """Piece by piece: where it lies among the bytes of a message, and all processes' bytes of
        it, (n, bytes), which hold until the next one is asked for."""
        flat = own.reshape(-1).view(torch.uint8)
        for start in range(0, len(flat), PIECE):
            place = slice(start, min(start + PIECE, len(flat)))
            pieces = self._memory[self._half, :, : place.stop - start]
            pieces[self._rank].copy_(flat[place])
            self._half = 1 - self._half
            for each in self._sockets:
                each.sendall(b"\0")
            for sleeping, looking in zip(self._sockets, self._looking, strict=True):
                if not _byte(sleeping, looking):
                    raise ConnectionError("connection closed")
            yield place, pieces


def _byte(sleeping: socket.socket, looking: socket.socket) -> bytes:
    """The next byte of a connection; none where it is closed."""
    for _ in range(LOOKS):
        with suppress(BlockingIOError):
            return looking.recv(1)
    return sleeping.recv(1)
