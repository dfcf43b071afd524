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
from torch.nn.functional import relu

from steadygan.game.draws import one_per_sample, uniform
from steadygan.game.part import Part

if TYPE_CHECKING:
    from steadygan.game.context import Kind, StepContext
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
    (gradient,) = torch.autograd.grad(critic(at).sum(), at, create_graph=True)
    return gradient


def squared_norm(gradient: Tensor) -> Tensor:
    """||s||_2^2 of each sample of a gradient s (B, ...), shape (B,)."""
    return gradient.flatten(1).square().sum(1)


def input_gradient_norm(critic: Critic, at: Tensor) -> Tensor:
    """||grad_x C(x)||_2 of each sample of `at` (B, ...): (B,), with a graph to C's weights."""
    return norm_of(squared_norm(input_gradient(critic, at)))


def norm_of(squares: Tensor) -> Tensor:
    """The norms (B,) of squared ones, differentiable at 0."""
    return (squares + NORM_EPS).sqrt()


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


def lipschitz_penalty(
    critic: Critic,
    real: Tensor,
    fake: Tensor,
    generator: torch.Generator | None = None,
    *,
    target: float = 1.0,
) -> Tensor:
    """E max(0, ||grad C(x^)||_2 - target)^2 on lines between real and fake: WGAN-LP. Petzka et al.
    2018, arXiv:1709.08894, eq. 8, unweighted. Arguments as in `gradient_penalty`."""
    norms = input_gradient_norm(critic, interpolates(real, fake.detach(), generator))
    return relu(norms - target).square().mean()


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


def perturbed(
    real: Tensor, generator: torch.Generator | None = None, spread: Tensor | None = None
) -> Tensor:
    """x + .5 std(batch) U(0, 1) a value: where the lines of DRAGAN end. Kodali et al. 2017, section
    2.3. Shape of `real` (B, ...). `spread` is std(batch) where `real` is a share of the batch."""
    noise = uniform(tuple(real.shape), generator).to(real.device)
    return real + 0.5 * (real.std() if spread is None else spread) * noise


class Penalty(Part):
    """A penalty on the norm of D's input gradient: weight E cost(||grad C(u)||^2) at points u.

    A subclass gives `points` and `cost`. With `every` = n it is computed in D's steps n, 2 n, ...
    and weighs n times as much there (lazy regularisation, Karras et al. 2020, arXiv:1912.04958,
    section 3.1; the optimizer's settings are left as they are)."""

    sides: ClassVar = ("on_d",)
    signal_titles: ClassVar = {
        "critic_gradient_norm": "critic's gradient norm at its inputs",
        "critic_gradient_norm_std": "spread of the critic's gradient norm at its inputs",
        "critic_gradient_norm_real": "critic's gradient norm at real samples",
        "critic_gradient_norm_fake": "critic's gradient norm at generated samples",
    }
    weight: float = Field(10.0, ge=0)
    every: int = Field(1, ge=1)

    def points(self, context: StepContext) -> Tensor:
        """Where the gradient is taken: (B, ...), without a graph."""
        raise NotImplementedError(f"{type(self).__name__} gives no points(context)")

    def cost(self, squares: Tensor) -> Tensor:
        """What each sample costs by its squared gradient norm (B,); (B,)."""
        raise NotImplementedError(f"{type(self).__name__} gives no cost(squares)")

    def squares(self, context: StepContext) -> Tensor:
        """The squared gradient norms (B,), with a graph to D's weights."""
        squares = squared_norm(input_gradient(context.critic, self.points(context)))
        norms = squares.detach().sqrt()
        context.signals["critic_gradient_norm"] = norms.mean()
        context.signals["critic_gradient_norm_std"] = norms.std(correction=0)
        return squares

    def weight_in(self, context: StepContext) -> float | Tensor:
        """The weight in this step."""
        return self.weight

    def loss(self, context: StepContext) -> Tensor | None:
        if not context.is_turn(self.every):
            return None
        return self.weight_in(context) * self.every * self.cost(self.squares(context)).mean()

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
    sets_slope: ClassVar = True
    target: float = Field(1.0, ge=0)

    def points(self, context: StepContext) -> Tensor:
        return interpolates(context.real, context.fake, context.generator("penalties"))

    def cost(self, squares: Tensor) -> Tensor:
        return (norm_of(squares) - self.target).square()


class LipschitzPenalty(GradientPenalty):
    """lambda E max(0, ||grad C(x^)|| - 1)^2, one-sided: slopes below 1 cost nothing. Petzka et al.
    2018, arXiv:1709.08894, eq. 8."""

    name = "lipschitz-penalty"

    def cost(self, squares: Tensor) -> Tensor:
        return relu(norm_of(squares) - self.target).square()


class LocalGradientPenalty(GradientPenalty):
    """lambda E (||grad C(x^)|| - 1)^2 on lines from real samples into their neighbourhood.

    Kodali et al. 2017, arXiv:1705.07215, section 2.3; the noise is that of the authors' code.
    """

    name = "local-gradient-penalty"

    @property
    def reads_batch(self) -> bool:
        return True

    def points(self, context: StepContext) -> Tensor:
        real = context.real
        noise = perturbed(real, context.generator("perturbation"), context.whole(real).std())
        return interpolates(noise, context.real, context.generator("penalties"))


class WassersteinDivergence(Penalty):
    """k E ||grad C(u)||^p on lines. Wu et al. 2018, arXiv:1712.01026, eq. 9: k = 2, p = 6.

    `power` is p. Only this penalty keeps C from growing without bound: C need not be 1-Lipschitz.
    """

    name = "wasserstein-divergence"
    optimises: ClassVar = "Wasserstein divergence"
    weight: float = Field(2.0, ge=0)
    power: float = Field(6.0, ge=2, le=64)

    def points(self, context: StepContext) -> Tensor:
        return interpolates(context.real, context.fake, context.generator("penalties"))

    def cost(self, squares: Tensor) -> Tensor:
        return squares.pow(self.power / 2)


class R1(Penalty):
    """gamma/2 E ||grad C(x)||^2 at real samples. Mescheder et al. 2018, arXiv:1801.04406, eq. 9.

    `weight` is gamma, which falls in a straight line to its share `weight_end` over the horizon.
    The gradient is that of the forward which gives the scores, with respect to the samples before
    any part augments them.
    """

    name = "r1"
    input_gradients: ClassVar[tuple[Kind, ...]] = ("real",)
    weight_end: float = Field(1.0, ge=0)

    def gamma(self, progress: float) -> float:
        """The weight when a share `progress` of the horizon is behind."""
        return self.weight * (1.0 + (self.weight_end - 1.0) * progress)

    def weight_in(self, context: StepContext) -> float | Tensor:
        return context.follow(lambda progress: self.gamma(progress) / 2)

    def squares(self, context: StepContext) -> Tensor:
        (kind,) = self.input_gradients
        squares = squared_norm(context.input_gradient(kind))
        context.signals[f"critic_gradient_norm_{kind}"] = squares.detach().sqrt().mean()
        return squares

    def cost(self, squares: Tensor) -> Tensor:
        return squares


class R2(R1):
    """gamma/2 E ||grad C(g)||^2 at fakes. Mescheder et al. 2018, arXiv:1801.04406, eq. 10."""

    name = "r2"
    input_gradients: ClassVar[tuple[Kind, ...]] = ("fake",)
