"""The hinge loss of several heads of one discriminator, each with a score of its own.

Sauer et al. 2021, arXiv:2111.01007, eq. 3, with the hinge loss of their section 4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from steadygan.game.objective import Objective
from steadygan.losses.objectives import hinge_d_loss, hinge_g_loss

if TYPE_CHECKING:
    from steadygan.game.context import StepContext
    from steadygan.game.recipe import Recipe


def heads_d_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Sum over heads of E max(0, 1 - C_l(x)) + E max(0, 1 + C_l(g)). Scores (B, heads)."""
    return real.shape[1] * hinge_d_loss(real, fake)


def heads_g_loss(fake: Tensor) -> Tensor:
    """-E of the sum over heads of C_l(g). Scores (B, heads)."""
    return fake.shape[1] * hinge_g_loss(fake)


class HeadsHinge(Objective):
    """The hinge loss of each head of D, summed. D's features are the scores (B, heads)."""

    name: ClassVar = "heads-hinge"
    optimises: ClassVar = "hinge loss (reverse KL), a scale each"
    in_context: ClassVar = ("d", "g")
    signal_titles: ClassVar = {
        "heads_apart": "real above generated samples, in the head that is least apart",
        "heads_widest": "the same, in the head that is most apart",
    }

    def incompatibility(self, recipe: Recipe) -> str | None:
        if recipe.networks.d_scores_heads:
            return None
        return "it wants a discriminator of several heads: the method projected has one"

    def d_loss_in(self, context: StepContext) -> Tensor:
        real, fake = context.real_features, context.fake_features
        with torch.no_grad():
            apart = (real.mean(0) - fake.mean(0)).float()
            context.signals |= {"heads_apart": apart.min(), "heads_widest": apart.max()}
        return heads_d_loss(real.float(), fake.float())

    def g_loss_in(self, context: StepContext) -> Tensor:
        return heads_g_loss(context.fake_features.float())
