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


def input_gradient(critic: Critic, at: Tensor) -> Tensor:
    """grad_x C(x) for each sample of `at`, same shape (B, ...), with a graph to C's weights.

    The sum over the batch stands for each sample's own gradient because a penalised critic
    judges samples one by one (WGAN-GP section 4: no batch normalisation).
    """
    at = at.detach().requires_grad_(True)
    (slope,) = torch.autograd.grad(critic(at).sum(), at, create_graph=True)
    return slope


def squared_norm(slope: Tensor) -> Tensor:
    """||s||_2^2 of each sample of `slope` (B, ...), shape (B,)."""
    return slope.flatten(1).square().sum(1)


def input_gradient_norm(critic: Critic, at: Tensor) -> Tensor:
    """||grad_x C(x)||_2 of each sample of `at` (B, ...): (B,), with a graph to C's weights."""
    return (squared_norm(input_gradient(critic, at)) + NORM_EPS).sqrt()


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


def wasserstein_divergence(
    critic: Critic,
    real: Tensor,
    fake: Tensor,
    generator: torch.Generator | None = None,
    *,
    power: float = 6.0,
    on_norms: Callable[[Tensor], None] | None = None,
) -> Tensor:
    """E ||grad C(u)||_2^power on lines between real and fake. Wu et al. 2018, eq. 9, unweighted.

    Arguments as in `gradient_penalty`. No slope is asked for: the penalty is least at slope 0.
    """
    squares = squared_norm(input_gradient(critic, interpolates(real, fake.detach(), generator)))
    if on_norms is not None:
        on_norms(squares.detach().sqrt())
    return squares.pow(power / 2).mean()


def r1_penalty(critic: Critic, real: Tensor) -> Tensor:
    """E ||grad C(x)||_2^2 / 2 at real samples (B, ...). Mescheder et al. 2018, eq. 9, gamma 1."""
    return squared_norm(input_gradient(critic, real)).mean() / 2


def r2_penalty(critic: Critic, fake: Tensor) -> Tensor:
    """E ||grad C(g)||_2^2 / 2 at fakes (B, ...), taken as constants. Mescheder et al. 2018, eq. 10,
    gamma 1."""
    return squared_norm(input_gradient(critic, fake)).mean() / 2


def perturbed(real: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """x + .5 std(batch) U(0, 1) a value: where the lines of DRAGAN end. Kodali et al. 2017, section
    2.3. Shape of `real` (B, ...)."""
    noise = torch.rand(real.shape, generator=generator).to(real.device)
    return real + 0.5 * real.std() * noise


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


class LocalGradientPenalty(GradientPenalty):
    """lambda E (||grad C(x^)|| - 1)^2 on lines from real samples into their neighbourhood.

    Kodali et al. 2017, arXiv:1705.07215, section 2.3; the noise is that of the authors' code.
    """

    name = "local-gradient-penalty"

    def loss(self, play: Play) -> Tensor:
        noise = perturbed(play.real, play.generator("perturbation"))
        return self.weight * gradient_penalty(
            play.critic,
            noise,
            play.real,
            play.generator("penalties"),
            target=self.target,
            on_norms=play.log_gradient_norms,
        )


class WassersteinDivergence(Penalty):
    """k E ||grad C(u)||^p on lines. Wu et al. 2018, arXiv:1712.01026, eq. 9: k = 2, p = 6.

    `power` is p. Only its slope keeps C from growing without bound: C need not be 1-Lipschitz.
    """

    name = "wasserstein-divergence"
    weight: float = Field(2.0, ge=0)
    power: float = Field(6.0, ge=2, le=64)

    def loss(self, play: Play) -> Tensor:
        return self.weight * wasserstein_divergence(
            play.critic,
            play.real,
            play.fake,
            play.generator("penalties"),
            power=self.power,
            on_norms=play.log_gradient_norms,
        )


class R1(Penalty):
    """gamma/2 E ||grad C(x)||^2 at real samples. Mescheder et al. 2018, arXiv:1801.04406, eq. 9.

    `weight` is gamma, which falls in a straight line to its share `weight_end` over the horizon.
    The gradient is that of the forward which gives the scores, with respect to the samples before
    any trick changes them.
    """

    name = "r1"
    input_gradients: ClassVar = ("real",)
    weight_end: float = Field(1.0, ge=0)

    def gamma(self, progress: float) -> float:
        """The weight when a share `progress` of the horizon is behind."""
        return self.weight * (1.0 + (self.weight_end - 1.0) * progress)

    def loss(self, play: Play) -> Tensor:
        (kind,) = self.input_gradients
        squares = squared_norm(play.input_gradient(kind))
        play.signals[f"critic_gradient_norm_{kind}"] = squares.detach().sqrt().mean()
        return self.gamma(play.progress) / 2 * squares.mean()


class R2(R1):
    """gamma/2 E ||grad C(g)||^2 at fakes. Mescheder et al. 2018, arXiv:1801.04406, eq. 10."""

    name = "r2"
    input_gradients: ClassVar = ("fake",)
