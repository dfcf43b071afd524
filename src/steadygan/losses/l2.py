"""L2-norm constraints on the generator's images and on the discriminator's relative output.

`real` and `fake` are batches (B, ...) of one shape, paired by their index; scores are (B,).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from steadygan.game.part import Part
from steadygan.losses.objectives import Hinge

if TYPE_CHECKING:
    from steadygan.game.context import StepContext
    from steadygan.game.recipe import Recipe

GeneratorKind = Literal["pair", "pair_sq", "batch_mean", "nearest"]
DiscriminatorKind = Literal["pair", "mean"]

#: Under the hinge loss D's best margin is min(2, 1 / (2 weight)): up to here it stays 2.
HINGE_INACTIVE = 0.25


def generator_l2(real: Tensor, fake: Tensor, kind: GeneratorKind = "pair") -> Tensor:
    """How far fakes (B, ...) are from real samples (B, ...) in the Euclidean norm; a scalar.

    pair        mean_i |x_i - g_i|: the slope of each image has norm 1 / B
    pair_sq     mean_i |x_i - g_i|^2 / n over the n numbers of an image
    batch_mean  |mean_i x_i - mean_i g_i|
    nearest     mean_i min_j |x_j - g_i|

    For independent pairs E |x - g|^2 = |mu_x - mu_g|^2 + tr S_x + tr S_g: `pair` and `pair_sq` pull
    the mean right and shrink the spread, `batch_mean` only moves the mean, and `nearest` rewards
    precision alone. `real` is a constant.
    """
    x, g = real.detach().flatten(1), fake.flatten(1)
    if kind == "batch_mean":
        return torch.linalg.vector_norm(x.mean(0) - g.mean(0))
    if kind == "nearest":
        # Distances of all pairs only choose; the slope goes through the chosen ones.
        far = torch.cdist(g.detach(), x, compute_mode="donot_use_mm_for_euclid_dist")
        x = x[far.argmin(1)]
    if kind == "pair_sq":
        return (x - g).square().mean()
    return torch.linalg.vector_norm(x - g, dim=1).mean()


def discriminator_l2(
    real_scores: Tensor, fake_scores: Tensor, kind: DiscriminatorKind = "pair"
) -> Tensor:
    """How far D's outputs for real and fake samples are apart, squared; both (B,), a scalar.

    pair  mean_i (C(x_i) - C(g_i))^2
    mean  (mean C(x) - mean C(g))^2

    Zero where D is constant, as it is at the equilibrium.
    """
    if kind == "mean":
        return (real_scores.mean() - fake_scores.mean()).square()
    return (real_scores - fake_scores).square().mean()


class GeneratorL2(Part):
    """`generator_l2` in G's loss, against real samples that G draws for itself.

    The constraint of Chao's thesis in words, "a small Euclidean distance to the real image"; no
    public source gives its formula. With `pair` each image is pulled with norm `weight`, and a
    1-Lipschitz D pulls with at most 1: below 1 the constraint stays the lesser force.
    """

    name = "generator-l2"
    sides: ClassVar = ("on_g",)
    weight: float = Field(0.05, ge=0)
    kind: GeneratorKind = "pair"

    @property
    def reads_batch(self) -> bool:
        return self.kind in ("batch_mean", "nearest")

    def advice(self, recipe: Recipe) -> str | None:
        if self.kind in ("pair", "nearest") and self.weight >= 1:
            return (
                f"generator-l2 of weight {self.weight:g} pulls each image as hard as a 1-Lipschitz "
                "D at most does: images blur together; .01 to .5 keep it the lesser force"
            )
        return None

    def loss(self, context: StepContext) -> Tensor:
        real, fake = context.real, context.fake
        if self.reads_batch:
            real = context.whole(real)
        if self.kind == "batch_mean":
            fake = context.whole(fake)
        return self.weight * generator_l2(real, fake, self.kind)


class DiscriminatorL2(Part):
    """`discriminator_l2` in D's loss. Chao et al. 2021, doi 10.1109/ACCESS.2021.3054822.

    `on="probabilities"` takes it of D(x) = sigmoid(C(x)). On separable data and binary cross
    entropy the margin C(x) - C(g) stops at m with 2 weight m = sigmoid(-m / 2): 4.586 for .01,
    1.568 for .1, .2353 for 1. So D no longer saturates.
    """

    name = "discriminator-l2"
    sides: ClassVar = ("on_d",)
    weight: float = Field(0.1, ge=0)
    kind: DiscriminatorKind = "pair"
    on: Literal["scores", "probabilities"] = "scores"

    @property
    def reads_batch(self) -> bool:
        return self.kind == "mean"

    def incompatibility(self, recipe: Recipe) -> str | None:
        if self.on == "scores" or recipe.objective.probability(torch.zeros(1)) is not None:
            return None
        return (
            f"discriminator-l2 on probabilities: objective {recipe.objective.name} has none; "
            "ns and minimax have"
        )

    def advice(self, recipe: Recipe) -> str | None:
        if (
            isinstance(recipe.objective, Hinge)
            and self.weight <= HINGE_INACTIVE
            and self.on == "scores"
        ):
            return (
                f"discriminator-l2 of weight {self.weight:g} leaves the hinge loss's best margin "
                "at 2, so it does nothing on average: give .3 or more, or objective=ns"
            )
        return None

    def loss(self, context: StepContext) -> Tensor:
        real: Tensor | None = context.real_scores
        fake: Tensor | None = context.fake_scores
        if self.on == "probabilities":
            objective = context.recipe.objective
            real = objective.probability(context.real_scores)
            fake = objective.probability(context.fake_scores)
        assert real is not None  # see `incompatibility`
        assert fake is not None
        if self.reads_batch:
            real, fake = context.whole(real), context.whole(fake)
        return self.weight * discriminator_l2(real, fake, self.kind)
