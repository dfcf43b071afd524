"""Random draws that parts and losses share, on the device of the generator that they come from."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from steadygan.game.processes import ALONE, Processes


class Stream(torch.Generator):
    """A generator of one step, on the device of the networks, in a run of several processes.

    The functions below draw for the whole batch and give the process its share, so that a sample's
    draws are those that it would have in a run of one. What is drawn from it directly is the same
    in all processes.
    """

    processes: Processes = ALONE


def uniform(shape: tuple[int, ...], generator: torch.Generator | None = None) -> Tensor:
    """U[0, 1) numbers of `shape` (B, ...), B the samples that this process holds."""
    return _share(torch.rand, shape, generator)


def normal(shape: tuple[int, ...], generator: torch.Generator | None = None) -> Tensor:
    """N(0, 1) numbers of `shape` (B, ...), B the samples that this process holds."""
    return _share(torch.randn, shape, generator)


def integers(
    low: int, high: int, shape: tuple[int, ...], generator: torch.Generator | None = None
) -> Tensor:
    """int64 from `low` to `high` - 1 of `shape` (B, ...), B the samples that this process holds."""

    return _share(partial(torch.randint, low, high), shape, generator)


def one_per_sample(batch: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Uniform [0, 1) weights of shape (B, 1, ..., 1): one number a sample."""
    shape = (len(batch),) + (1,) * (batch.dim() - 1)
    return uniform(shape, generator).to(batch)


def _share(
    draw: Callable[..., Tensor], shape: tuple[int, ...], generator: torch.Generator | None
) -> Tensor:
    processes = getattr(generator, "processes", ALONE)
    whole = (processes.size * shape[0], *shape[1:])
    return processes.share_of(draw(whole, generator=generator, device=device_of(generator)))


def device_of(generator: torch.Generator | None) -> torch.device:
    """Where what is drawn from `generator` lies; torch's own draws on the CPU."""
    return torch.device("cpu") if generator is None else generator.device
