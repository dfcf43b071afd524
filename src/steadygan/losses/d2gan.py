"""The game of two discriminators, one for each ratio of the densities.

Raw outputs, shape (B,), float32: D1 = softplus of the first, D2 of the second, both above 0.
`methods/d2gan.py` says what the game's equations are. Nguyen et al. 2017, arXiv:1709.03831.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import softplus

from steadygan.game.objective import Objective

if TYPE_CHECKING:
    from steadygan.game.context import StepContext
    from steadygan.game.recipe import Recipe


def log_softplus(t: Tensor) -> Tensor:
    """log log(1 + e^t), finite where the softplus itself would be 0: there it is t."""
    return torch.where(t < -20, t, softplus(t.clamp_min(-20)).log())


def d2gan_value(
    first_real: Tensor, first_fake: Tensor, second_real: Tensor, second_fake: Tensor,
    alpha: float = 1.0, beta: float = 1.0,
) -> Tensor:  # fmt: skip
    """J, which D1 and D2 maximise: minus it is D's loss. Raw outputs (B,), before the softplus."""
    of_first = alpha * log_softplus(first_real).mean() - softplus(first_fake).mean()
    return of_first + beta * log_softplus(second_fake).mean() - softplus(second_real).mean()


def d2gan_g_loss(first_fake: Tensor, second_fake: Tensor, beta: float = 1.0) -> Tensor:
    """The terms of J that depend on G. Raw outputs (B,), before the softplus."""
    return beta * log_softplus(second_fake).mean() - softplus(first_fake).mean()


class D2GANObjective(Objective):
    """J of two discriminators, one for each ratio of the densities. Nguyen et al. 2017, eq. 1."""

    name: ClassVar = "d2gan"
    optimises: ClassVar = "KL and reverse KL"
    in_context: ClassVar = ("d", "g")
    signal_titles: ClassVar = {"d2gan_value": "value J of the game"}
    alpha: float = Field(1.0, gt=0, le=1)
    beta: float = Field(1.0, gt=0, le=1)

    @property
    def threshold(self) -> float:  # type: ignore[override]  # it follows from alpha and beta
        """The score where the densities are equal, with optimal D1 and D2."""
        return math.log(self.alpha / self.beta) / 2

    def probability(self, scores: Tensor) -> Tensor:
        return torch.sigmoid(scores - self.threshold)

    def incompatibility(self, recipe: Recipe) -> str | None:
        if recipe.discriminators == 2:
            return None
        return "it wants two discriminators: the method d2gan has them"

    def d_loss_in(self, context: StepContext) -> Tensor:
        (first_real, second_real), (first_fake, second_fake) = (
            features.unbind(1) for features in (context.real_features, context.fake_features)
        )
        value = d2gan_value(first_real, first_fake, second_real, second_fake, self.alpha, self.beta)
        context.signals["d2gan_value"] = value.detach()
        return -value

    def g_loss_in(self, context: StepContext) -> Tensor:
        first, second = context.fake_features.unbind(1)
        return d2gan_g_loss(first, second, self.beta)
