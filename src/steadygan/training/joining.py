"""Joining the other processes of a run: what `torchrun` starts, over torch.distributed, and over
shared memory where they are of one machine.

`torchrun` says by environment variables which process this is, of how many, and where to meet. A
program of one's own may set up torch.distributed itself, and is joined as it is.
"""

from __future__ import annotations

from datetime import timedelta
from weakref import WeakKeyDictionary

import torch
import torch.distributed as dist

from steadygan.errors import UserError
from steadygan.game.processes import ALONE, Processes
from steadygan.launch import local_rank, rank_and_count, restarts
from steadygan.training.meeting import meet

#: How long a process waits for the others before it gives up: data and features are prepared by one
#: of them, which takes its time. One that has died is noticed at once, by its closed connection.
PATIENCE = timedelta(hours=1)


#: The processes of each group that is there. A group that is held until Python ends aborts it.
_met: WeakKeyDictionary[dist.ProcessGroup, Processes] = WeakKeyDictionary()


def here() -> Processes:
    """The processes of this run as they have joined; `ALONE` where none has."""
    if not (dist.is_available() and dist.is_initialized()):
        return ALONE
    if dist.get_world_size() == 1:
        return ALONE
    group = dist.group.WORLD
    assert group is not None
    if group not in _met:  # by all of them at once
        processes = Processes(dist.get_rank(), dist.get_world_size())
        patience = PATIENCE.total_seconds()
        processes.memory = meet(processes.rank, processes.count, processes.texts, patience)
        _met[group] = processes
    return _met[group]


def join(device: str = "auto") -> tuple[Processes, str]:
    """Meet the other processes that `torchrun` has started; them, and the device of this one.

    Each process of a machine gets a GPU of its own where `device` is auto or cuda and there are
    GPUs; shared memory or gloo carries what is on a CPU, NCCL what is on a GPU. Raises UserError in
    all of them where one has no GPU, and where they cannot meet. Without torchrun: `ALONE`, and
    `device` as it is.
    """
    _, count = rank_and_count()
    if count == 1:
        return here(), device
    if not dist.is_initialized():
        try:
            # torchrun's store outlives the processes that it restarts, with their old addresses.
            store, rank, _ = next(iter(dist.rendezvous("env://", timeout=PATIENCE)))
            own = dist.PrefixStore(f"attempt {restarts()[0]}", store)
            # gloo for CPUs, and NCCL where there are GPUs
            dist.init_process_group(store=own, rank=rank, world_size=count, timeout=PATIENCE)
        except (dist.DistError, RuntimeError, ValueError) as error:
            why = str(error).strip().splitlines()[0][:200]
            raise UserError(
                f"the processes of this run cannot meet ({why}); is the port free, and the same "
                "for all? torchrun --rdzv-endpoint HOST:PORT names another"
            ) from None
    processes = here()
    with processes.all_or_none():
        device = device_of(device, local_rank())
    return processes, device


def device_of(device: str, local_rank: int) -> str:
    """The device of the process that is `local_rank` on its machine; raises as `join` does."""
    found = "cuda" if device == "auto" and torch.cuda.is_available() else device
    if found == f"cuda:{local_rank}":  # it has joined before
        found = "cuda"
    if found in ("auto", "cpu"):
        return "cpu"
    if found != "cuda":
        raise UserError(f"--device {device}: with several processes give auto, cpu or cuda: each "
                        "takes a GPU of its own")  # fmt: skip
    if local_rank >= torch.cuda.device_count():
        raise UserError(
            f"there is no GPU for it: this machine has {torch.cuda.device_count()}; start as many "
            "processes as GPUs, or use --device cpu"
        )
    if not dist.is_nccl_available():
        raise UserError("this torch has no NCCL, over which GPUs talk: use --device cpu")
    return f"cuda:{local_rank}"


def leave() -> None:
    """Part from the other processes, at the end of a run."""
    if dist.is_available() and dist.is_initialized():
        for processes in _met.values():
            if processes.memory is not None:
                processes.memory.close()
        _met.clear()
        dist.destroy_process_group()
