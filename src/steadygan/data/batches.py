"""Data order as a pure function of (seed, epoch, step), so that a resumed run needs no state."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from steadygan.errors import UserError


def batch_indices(count: int, batch: int, seed: int, draw: int, rank: int = 0) -> np.ndarray:
    """Indices of the `draw`-th batch out of `count` items: int64 (batch,), each in 0..count-1.

    Every epoch of `count // batch` draws is a fresh permutation without its last partial batch.
    `seed`, `draw` and `rank` are 0 or more; each rank has an order of its own.
    Raises UserError where `count < batch`, or `batch < 1`.
    """
    if batch < 1:
        raise UserError(f"batch={batch} is no batch; give 1 or more")
    if count < batch:
        raise UserError(
            f"fewer images than one batch: {count} for batch={batch}; "
            f"lower batch= to at most {count}, or add images"
        )
    epoch, step = divmod(draw, count // batch)
    # A copy: the order is cached, and torch.from_numpy warns about read-only arrays.
    return _order(count, seed, epoch, rank)[step * batch : (step + 1) * batch].copy()


@lru_cache(maxsize=8)  # D's and G's draws, the held-out ones, and both sides of an epoch's end
def _order(count: int, seed: int, epoch: int, rank: int) -> np.ndarray:
    # numpy promises that the raw words of a bit generator never change between versions; for
    # Generator.permutation it does not, and a resumed run must see the same order.
    words = np.random.Philox(np.random.SeedSequence((seed, epoch, rank))).random_raw(count)
    order = np.argsort(words, kind="stable").astype(np.int64, copy=False)
    order.flags.writeable = False
    return order
