"""Several processes that play one game together: data parallel, with the batch of one process.

Of each batch of B samples, process r of n holds B/n: those from r B/n on, cut from the draws that
one process alone would make. A loss that is a mean over samples is taken of the share, and
gradients are averaged over the processes, which makes them those of the whole batch:

    d/dw (1/B) sum_i l_i  =  (1/n) sum_r d/dw (n/B) sum_{i in r} l_i

Where a loss or a layer reads a batch as a whole (a mean inside of a function that is not linear,
pairs of samples, batch statistics), it asks for `whole`, whose gradient goes back to the process
that holds the sample. So one and several processes compute the same numbers, up to the order of
sums.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from steadygan.errors import SteadyGanError
from steadygan.game.shared_memory import SharedMemory

T = TypeVar("T")
#: The longest text that processes tell each other, in bytes.
LONGEST = 1_000_000
#: Elements of all processes' messages up to which gathering them is quicker than their sum.
SMALL = 2**17


class ProcessLostError(SteadyGanError):
    """Another process of this run has ended, or does not answer."""

    exit_code = 6


class Processes:
    """The processes of a run: this one is `rank` of `count`, from 0. `ALONE` is a run of one.

    Every method that talks to the others must be called by all of them, in the same order. What is
    on a CPU goes through `memory` where the processes share one, else by torch.distributed.
    """

    def __init__(self, rank: int = 0, count: int = 1) -> None:
        self.rank, self.count = rank, count
        self.memory: SharedMemory | None = None
        self._apart = False

    @property
    def first(self) -> bool:
        """True in the one process that writes, measures and speaks."""
        return self.rank == 0

    @property
    def size(self) -> int:
        """How many processes share a batch now: `count`, and 1 inside of `apart`."""
        return 1 if self._apart else self.count

    @contextmanager
    def apart(self) -> Iterator[None]:
        """Within, this process computes for itself: it holds whole batches and asks no other."""
        before, self._apart = self._apart, True
        try:
            yield
        finally:
            self._apart = before

    def __deepcopy__(self, memo: dict[int, Any]) -> Processes:
        return self  # a copied network belongs to the same processes

    # ---- batches -----------------------------------------------------------------------------

    def share_of(self, whole: Tensor) -> Tensor:
        """This process's samples of a whole batch (B, ...): (B/n, ...)."""
        if self.size == 1:
            return whole
        own = len(whole) // self.size
        return whole.narrow(0, self.rank * own, own)

    def whole(self, share: Tensor) -> Tensor:
        """The whole batch (B, ...) of shares (B/n, ...), in the order of ranks. Differentiable,
        twice too: a sample gets the sum of what all processes' losses ask of it."""
        return share if self.size == 1 else _Whole.apply(share, self)

    # ---- what is the same everywhere -----------------------------------------------------------

    def averaged(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """The means over the processes of `tensors`, in one message."""
        if self.size == 1:
            return list(tensors)
        flat = self.summed(torch.cat([tensor.detach().flatten() for tensor in tensors]))
        pieces = flat.div_(self.size).split([tensor.numel() for tensor in tensors])
        return [p.view(tensor.shape) for p, tensor in zip(pieces, tensors, strict=True)]

    def summed(self, own: Tensor) -> Tensor:
        """The sum of contiguous tensors of one shape over the processes; `own` may be lost. Of
        torch.distributed small ones are gathered and added here: one trip, where gloo's sum takes
        several."""
        if (memory := self._memory_for(own)) is not None:
            return _reached(lambda: memory.summed(own))
        if own.numel() * self.size > SMALL:
            _reached(lambda: dist.all_reduce(own))
            return own
        return self.gathered(own).sum(0)

    def gathered(self, own: Tensor) -> Tensor:
        """The contiguous tensors (...) of one shape of all processes, in the order of ranks:
        (n, ...)."""
        if (memory := self._memory_for(own)) is not None:
            return _reached(lambda: memory.gathered(own))
        found = own.new_empty((self.size, *own.shape))
        _reached(lambda: dist.all_gather(list(found), own))
        return found

    def _memory_for(self, own: Tensor) -> SharedMemory | None:
        return self.memory if own.device.type == "cpu" else None

    def most(self, *values: float) -> list[float]:
        """The largest of each value over the processes."""
        if self.size == 1:
            return list(values)
        return self.gathered(torch.tensor(values, dtype=torch.float64)).amax(0).tolist()

    def texts(self, text: str) -> list[str]:
        """What each process says, in the order of ranks."""
        if self.size == 1:
            return [text]
        said = text.encode()[:LONGEST]
        (longest,) = self.most(len(said))
        own = torch.zeros(8 + int(longest), dtype=torch.uint8)
        own[:8] = torch.tensor(list(len(said).to_bytes(8, "big")), dtype=torch.uint8)
        own[8 : 8 + len(said)] = torch.tensor(list(said), dtype=torch.uint8)
        raw = [bytes(each) for each in self.gathered(own).tolist()]
        return [r[8 : 8 + int.from_bytes(r[:8], "big")].decode(errors="replace") for r in raw]

    def wait(self) -> None:
        """Go on when every process is here."""
        self.most(0)

    @contextmanager
    def all_or_none(self) -> Iterator[None]:
        """Where the block fails in one process, it fails in all, with the first one's error."""
        error: SteadyGanError | None = None
        try:
            yield
        except SteadyGanError as raised:
            error = raised
        if self.size == 1:
            if error is not None:
                raise error
            return
        said = self.texts("" if error is None else f"{error.exit_code} {error}")
        rank = next((rank for rank, text in enumerate(said) if text), None)
        if rank is not None:
            code, _, text = said[rank].partition(" ")
            failed = SteadyGanError(text if rank == 0 else f"process {rank}: {text}")
            failed.exit_code = int(code)
            raise failed from error

    def in_turn(self, make: Callable[[], T]) -> T:
        """What `make()` gives, first in the first process and then in the others: they find what it
        has prepared. Fails as in `all_or_none`."""
        made: list[T] = []
        for turn in (True, False):
            with self.all_or_none():
                if self.first is turn:
                    made.append(make())
        return made[0]


#: A run of one process.
ALONE = Processes()


class _Whole(torch.autograd.Function):
    """Gathers shares; its gradient is each process's part of the sum of all gradients."""

    @staticmethod
    def forward(context: Any, share: Tensor, processes: Processes) -> Tensor:
        context.processes = processes
        return processes.gathered(share.contiguous()).flatten(0, 1)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _ShareOfSum.apply(gradient, context.processes), None


class _ShareOfSum(torch.autograd.Function):
    """The adjoint of `_Whole`: sums whole batches over the processes and keeps the own share."""

    @staticmethod
    def forward(context: Any, whole: Tensor, processes: Processes) -> Tensor:
        context.processes = processes
        total = processes.summed(whole.clone(memory_format=torch.contiguous_format))
        return processes.share_of(total).clone()

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _Whole.apply(gradient, context.processes), None


def _reached(call: Callable[[], T]) -> T:
    """What a call to the other processes gives; `ProcessLostError` where one of them is gone or
    silent."""
    try:
        return call()
    except (dist.DistError, RuntimeError, OSError) as error:
        why = str(error).strip().splitlines()[0].rpartition("] ")[2].split(". ")[0][:120]
        raise ProcessLostError(
            f"another process of this run has ended or does not answer ({why}); its last "
            "checkpoint is whole, and `steadygan resume` goes on from it"
        ) from None
