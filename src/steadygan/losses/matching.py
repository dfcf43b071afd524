"""Feature matching: G makes D's features of fakes agree with those of real samples on average."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field
from torch import Tensor

from steadygan.game.part import Part
from steadygan.losses.objectives import bce_d_loss

if TYPE_CHECKING:
    from steadygan.game.context import StepContext
    from steadygan.game.recipe import Recipe

Norm = Literal["l2sq", "l1"]


def feature_matching_loss(
    real_features: Tensor, fake_features: Tensor, *, norm: Norm = "l2sq"
) -> Tensor:
    """||E f(x) - E f(g)||_2^2, features (B, ...) and (B', ...). Salimans et al. 2016, section 3.1.

    norm="l1" is the authors' code: the mean of |E f(x) - E f(g)| over the features.
    """
    apart = real_features.mean(0) - fake_features.mean(0)
    return apart.square().sum() if norm == "l2sq" else apart.abs().mean()


def unsupervised_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """L_unl = -E l(x) / 2 + E sp(l(x)) / 2 + E sp(l(g)) / 2 for a classifier of K classes as D.

    Logits (B, K), l = logsumexp of a sample's logits, sp = softplus. Salimans et al. 2016, section
    5: D(x) = Z / (Z + 1) with Z = sum of exp of the logits, that is sigmoid(l). So this is half of
    the binary cross entropy with l as the score. Halved as in the authors' code.
    """
    return bce_d_loss(real_logits.logsumexp(1), fake_logits.logsumexp(1)) / 2


class FeatureMatching(Part):
    """lambda ||E f(x) - E f(G(z))||^2 on G, f = D's features before its head.

    Salimans et al. 2016, arXiv:1606.03498, section 3.1. The real batch is one of G's own. With
    `g_adversarial=0` it is all that G learns from, as in the paper.
    """

    name = "feature-matching"
    sides: ClassVar = ("on_g",)
    reads_features: ClassVar = True
    weight: float = Field(1.0, ge=0)
    norm: Norm = "l2sq"

    @property
    def reads_batch(self) -> bool:
        return True

    def advice(self, recipe: Recipe) -> str | None:
        if getattr(recipe.networks, "d_norm", "none") != "batch":
            return None
        return (
            "feature-matching compares batch means, and batch norm in D makes those of every "
            "channel agree: d_norm=none leaves it out"
        )

    def loss(self, context: StepContext) -> Tensor:
        # The mean of each process's samples is enough of them.
        real, fake = (
            context.whole(features.float().mean(0, keepdim=True))
            for features in (context.real_features, context.fake_features)
        )
        return self.weight * feature_matching_loss(real, fake, norm=self.norm)
