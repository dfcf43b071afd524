"""What `torchrun` tells the processes that it starts, by environment variables.

Read without torch, so that a command can say at once whether it is one of several.
"""

from __future__ import annotations

import os

from steadygan.errors import UserError


def rank_and_count() -> tuple[int, int]:
    """This process's rank and how many there are; (0, 1) without torchrun.

    Raises UserError for variables that say no such thing.
    """
    rank, count = os.environ.get("RANK", ""), os.environ.get("WORLD_SIZE", "")
    if not count:
        return 0, 1
    if not (rank.isdigit() and count.isdigit() and int(rank) < int(count)):
        raise UserError(
            f"the environment says RANK={rank} WORLD_SIZE={count}, which is no process of a group: "
            "start with torchrun, or unset both"
        )
    return int(rank), int(count)


def local_rank() -> int:
    """This process's number among those of its machine, from 0."""
    return int(os.environ.get("LOCAL_RANK") or rank_and_count()[0])


def restarts() -> tuple[int, int]:
    """How often torchrun has started these processes again, and how often it may
    (--max-restarts)."""
    done, most = (os.environ.get(f"TORCHELASTIC_{n}") for n in ("RESTART_COUNT", "MAX_RESTARTS"))
    return int(done or 0), int(most or 0)
