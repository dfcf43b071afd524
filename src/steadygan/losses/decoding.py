"""The decoding constraint: what latents images are matched to, and how far G decodes them wrong.

Chen et al. 2022, doi:10.16383/j.aas.c190496; `methods/decoding.py` says what of it is public.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss, mse_loss

#: The least spread that a number of the feature is divided by: a dead one stays 0.
LEAST_SPREAD = 1e-6
#: How finely the loss of the auto-encoder's stage is remembered.
CURVE = 100


def decoding_loss(made: Tensor, real: Tensor, norm: Literal["l2", "l1"] = "l2") -> Tensor:
    """The mean over images and pixels of |G(h(x)) - x|^2, or of |G(h(x)) - x|; both (B, ...)."""
    return (l1_loss if norm == "l1" else mse_loss)(made, real)


class Features(nn.Module):
    """Mean and squared spread of each number of h over the images seen in the stage, by Chan et
    al.'s update, and the mean reconstruction loss in each hundredth of the auto-encoder's stage."""

    count: Tensor
    mean: Tensor
    squares: Tensor
    losses: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))
        self.register_buffer("mean", torch.zeros(dim, dtype=torch.float64))
        self.register_buffer("squares", torch.zeros(dim, dtype=torch.float64))
        self.register_buffer("losses", torch.zeros(CURVE))

    @torch.no_grad()
    def add(self, features: Tensor) -> None:
        """Take a batch (B, dim) into mean and spread."""
        new, count = features.double(), len(features)
        total = self.count + count
        off = new.mean(0) - self.mean
        self.squares += (new - new.mean(0)).square().sum(0)
        self.squares += off.square() * self.count * count / total
        self.mean += off * count / total
        self.count.copy_(total)

    def standardised(self, features: Tensor) -> Tensor:
        """Features (B, dim) with mean 0 and spread 1 over the images seen; as they are before."""
        # No host reads the count: on a GPU it would wait.
        spread = (self.squares / self.count.clamp_min(1)).sqrt().clamp_min(LEAST_SPREAD)
        standard = ((features - self.mean) / spread).float()
        return torch.where(self.count > 0, standard, features)

    def remember(self, loss: Tensor, step: int, steps: int) -> None:
        """Add the loss of step `step` of `steps` to its hundredth of the stage, as a share of the
        mean there."""
        place = step * CURVE // steps
        first = -(-place * steps // CURVE)
        after = -(-(place + 1) * steps // CURVE)
        self.losses[place] += loss.detach() / (after - first)


class RandomCodes(nn.Module):
    """A fixed N(0, I) vector for each training image: a function of its row and the run's key."""

    key: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.register_buffer("key", torch.randint(2**62, ()))

    def normal(self, rows: Tensor) -> Tensor:
        """(B, dim) for rows (B,) int64, on the CPU."""
        key = int(self.key)
        seeds = [(key + 0x9E3779B97F4A7C15 * (row + 1)) % 2**63 for row in rows.tolist()]
        draws = [torch.randn(self.dim, generator=torch.Generator().manual_seed(s)) for s in seeds]
        return torch.stack(draws)
