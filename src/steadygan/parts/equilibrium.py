"""What BEGAN remembers between iterations, and how it moves. Berthelot, Schumm & Metz 2017,
arXiv:1703.10717; `methods/began.py` says what of it is the paper's.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

#: A running mean of M below this share of the least one so far is a new minimum.
LOWER = 0.99


class BEGANState(nn.Module):
    """k, the running mean of M, its least value and the images seen then, and what learning rates
    are multiplied by, as scalar buffers."""

    k: Tensor
    convergence: Tensor
    least: Tensor
    least_at: Tensor
    rate: Tensor

    def __init__(self, k: float) -> None:
        super().__init__()
        self.register_buffer("k", torch.tensor(k))
        self.register_buffer("convergence", torch.tensor(0.0))
        self.register_buffer("least", torch.tensor(0.0))
        self.register_buffer("least_at", torch.tensor(-1))
        self.register_buffer("rate", torch.tensor(1.0))

    @torch.no_grad()
    def update_k(self, real: Tensor, fake: Tensor, *, gamma: float, lambda_k: float) -> Tensor:
        """Move k by the mean errors l(x) and l(g), scalars; the convergence measure M."""
        off = gamma * real - fake
        self.k.add_(lambda_k * off).clamp_(0.0, 1.0)
        return real + off.abs()

    @torch.no_grad()
    def anneal(
        self, convergence: Tensor, images: int, batch: int, *,
        stall_images: int, least_rate: float, mean_images: float,
    ) -> None:  # fmt: skip
        """Follow M after `images` images, `batch` of them new; halve the rates where its running
        mean (half-life `mean_images`) has had no new minimum for `stall_images`."""
        first = self.least_at < 0
        kept = torch.where(first, 0.0, 0.5 ** (batch / mean_images))
        self.convergence.copy_(torch.lerp(convergence, self.convergence, kept))
        lower = first | (self.convergence < LOWER * self.least)
        self.least.copy_(torch.where(lower, self.convergence, self.least))
        halve = ~lower & (images - self.least_at >= stall_images) & (self.rate / 2 >= least_rate)
        self.rate.mul_(torch.where(halve, 0.5, 1.0))
        self.least_at.copy_(torch.where(lower | halve, images, self.least_at))
