"""Penalties on the critic's gradient with respect to its input.

Each is a plain function `(critic, real, fake, generator) -> scalar` for people's own loops.
`critic` maps (B, ...) to scores (B,) or (B, 1); everything here is float32 and differentiable
twice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from steadygan.game.parts import Part

if TYPE_CHECKING:
    from steadygan.game.play import Play
    from steadygan.game.recipe import Recipe

Critic = Callable[[Tensor], Tensor]

#: Added under the square root: its slope is unbounded at zero gradient. Norms of 1 move by 5e-13.
NORM_EPS = 1e-12


def input_gradient_norm(critic: Critic, at: Tensor) -> Tensor:
    """||grad_x C(x)||_2 for each sample of `at` (B, ...), shape (B,), with a graph to C's weights.

    The sum over the batch stands for each sample's own gradient because a penalised critic
    judges samples one by one (WGAN-GP section 4: no batch normalisation).
    """
    at = at.detach().requires_grad_(True)
    scores = critic(at)
    (slope,) = torch.autograd.grad(scores.sum(), at, create_graph=True)
    return (slope.flatten(1).square().sum(1) + NORM_EPS).sqrt()


def one_per_sample(batch: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Uniform [0, 1) weights of shape (B, 1, ..., 1): one number a sample.

    Drawn on the CPU whatever the batch's device, so that a run draws the same on any machine.
    """
    shape = (len(batch),) + (1,) * (batch.dim() - 1)
    return torch.rand(shape, generator=generator).to(batch)


def interpolates(real: Tensor, fake: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """x^ = eps x + (1 - eps) g, eps ~ U(0, 1) a sample. WGAN-GP, Algorithm 1. Shape (B, ...)."""
    return torch.lerp(fake, real, one_per_sample(real, generator))


def gradient_penalty(
    critic: Critic,
    real: Tensor,
    fake: Tensor,
    generator: torch.Generator | None = None,
    *,
    target: float = 1.0,
    on_norms: Callable[[Tensor], None] | None = None,
) -> Tensor:
    """E (||grad C(x^)||_2 - target)^2 on lines between real and fake. WGAN-GP, eq. 3, unweighted.

    `real`, `fake`: (B, ...) in [-1, 1], the same shape; `fake` is treated as a constant.
    `on_norms` is shown the gradient norms (B,), for a log.
    """
    norms = input_gradient_norm(critic, interpolates(real, fake.detach(), generator))
    if on_norms is not None:
        on_norms(norms.detach())
    return (norms - target).square().mean()


class Penalty(Part):
    """A penalty on D's input gradient, weighted."""

    sides: ClassVar = ("on_d",)
    weight: float = Field(10.0, ge=0)

    def advice(self, recipe: Recipe) -> str | None:
        norm = getattr(recipe.networks, "d_norm", "none")
        if norm == "batch":
            return (
                f"{self.name} penalises each sample's own gradient, and batch norm in D mixes "
                "samples: d_norm=none leaves it out"
            )
        return None


class GradientPenalty(Penalty):
    """lambda E (||grad C(x^)|| - 1)^2. Gulrajani et al. 2017, arXiv:1704.00028, eq. 3."""

    name = "gradient-penalty"
    target: float = Field(1.0, ge=0)

    def loss(self, play: Play) -> Tensor:
        return self.weight * gradient_penalty(
            play.critic,
            play.real,
            play.fake,
            play.generator("penalties"),
            target=self.target,
            on_norms=play.log_gradient_norms,
        )
