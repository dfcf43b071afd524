"""Random draws that parts and losses share."""

from __future__ import annotations

import torch
from torch import Tensor


def one_per_sample(batch: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Uniform [0, 1) weights of shape (B, 1, ..., 1): one number a sample.

    Drawn on the CPU whatever the batch's device, so that a run draws the same on any machine.
    """
    shape = (len(batch),) + (1,) * (batch.dim() - 1)
    return torch.rand(shape, generator=generator).to(batch)
