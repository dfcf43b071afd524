"""A generator with an input of its own for each thing that it takes, for formats that name inputs.

Networks here take one tensor of latents, in which a class or codes ride at the end. Outside, they
are `latents` (B, dim) float32, `classes` (B,) int64, `categories` (B,) int64 and `codes` (B, n)
float32 in [-1, 1].
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from steadygan.priors import ClassConditionalPrior, Coded, Prior
from steadygan.training import pictures


@dataclass(frozen=True)
class Layout:
    """What a latent holds: `dim` numbers of noise that are distributed as `prior` says, then a
    one-hot category and continuous codes, then a class; 0 for what is not there."""

    prior: str
    dim: int
    categories: int = 0
    continuous: int = 0
    classes: int = 0

    @classmethod
    def of(cls, prior: Prior) -> Layout:
        classes = prior.classes if isinstance(prior, ClassConditionalPrior) else 0
        base = prior.base if isinstance(prior, ClassConditionalPrior) else prior
        codes = (base.categories, base.continuous) if isinstance(base, Coded) else (0, 0)
        return cls(base.name, base.dim, *codes, classes)

    @property
    def total_dim(self) -> int:
        return self.dim + self.categories + self.continuous + (self.classes > 0)

    def parts(self, latents: Tensor) -> dict[str, Tensor]:
        """Whole latents (B, total_dim) as the inputs of `NamedInputs`, by name."""
        parts = {"latents": latents[:, : self.dim]}
        if self.categories:
            coded = self.dim + self.categories
            parts["categories"] = latents[:, self.dim : coded].argmax(1)
            parts["codes"] = latents[:, coded : coded + self.continuous]
        if self.classes:
            parts["classes"] = latents[:, -1].round().long()
        return {name: part.contiguous() for name, part in parts.items()}


class NamedInputs(nn.Module):
    """The inputs of `layout` -> images (B, C, H, W) in [-1, 1], or (B, H, W, C) uint8."""

    def __init__(self, network: nn.Module, layout: Layout, as_uint8: bool = False) -> None:
        super().__init__()
        self.network, self.layout, self.as_uint8 = network, layout, as_uint8

    def forward(
        self,
        latents: Tensor,
        categories: Tensor | None = None,
        codes: Tensor | None = None,
        classes: Tensor | None = None,
    ) -> Tensor:
        pieces = [latents]
        if categories is not None and codes is not None:
            numbers = torch.arange(self.layout.categories, device=latents.device)
            pieces += [(categories[:, None] == numbers).to(latents.dtype), codes]
        if classes is not None:
            pieces.append(classes.to(latents.dtype)[:, None])
        made: Tensor = self.network(torch.cat(pieces, 1) if len(pieces) > 1 else latents)
        return pictures.to_bytes(made) if self.as_uint8 else made
