"""The information term of InfoGAN: the generator's codes must be readable from its images."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, cast

from pydantic import Field
from torch import Tensor
from torch.nn.functional import cross_entropy

from steadygan.game.part import Part
from steadygan.priors import Coded

if TYPE_CHECKING:
    from steadygan.game.context import StepContext
    from steadygan.game.recipe import Recipe


def category_information(logits: Tensor, category: Tensor) -> Tensor:
    """log K - CE(logits, c) <= I(c; G(z, c)), in nats. Logits (B, K), categories (B,) int64.

    The variational bound L_I of Chen et al. 2016, eq. 4, with H(c) = log K.
    """
    return math.log(logits.shape[1]) - cross_entropy(logits, category)


def code_information(means: Tensor, codes: Tensor) -> Tensor:
    """E log N(u; mean, 1) + H(u), summed over the codes u ~ U(-1, 1), in nats. Both (B, m).

    The same bound for continuous codes with the variance fixed at 1, as in the authors' code; the
    entropy of U(-1, 1) is log 2 a code. At best log 2 - log(2 pi) / 2 = -0.226 a code.
    """
    log_density = -0.5 * (codes - means).square() - 0.5 * math.log(2 * math.pi)
    return (log_density + math.log(2.0)).sum(1).mean()


def codes_read(context: StepContext) -> tuple[Tensor, Tensor]:
    """Q's category logits (B, K) and code means (B, m) for the step's fakes, float32."""
    logits, means = context.head("q", context.fake_features)
    return logits.float(), means.float()


class MutualInformation(Part):
    """-lambda L_I(G, Q), on D's optimizer (which moves Q) and on G. Chen et al. 2016, eq. 6.

    `weight` is the paper's lambda for the category; `continuous_weight` its smaller one for
    continuous codes (.1, section 7: scaled so that both terms are of one magnitude).
    """

    name = "mutual-information"
    signal_titles: ClassVar = {
        "mutual_information": "mutual information bound (nats)",
        "mutual_information_continuous": "mutual information bound of continuous codes (nats)",
    }
    sides: ClassVar = ("on_d", "on_g")
    reads_features: ClassVar = True
    weight: float = Field(1.0, ge=0)
    continuous_weight: float = Field(0.1, ge=0)

    def incompatibility(self, recipe: Recipe) -> str | None:
        if isinstance(recipe.prior, Coded) and recipe.networks.reads_codes:
            return None
        return "mutual-information wants codes to read: set prior=coded networks=infogan"

    def loss(self, context: StepContext) -> Tensor:
        prior = cast(Coded, context.recipe.prior)  # see `incompatibility`
        logits, means = codes_read(context)
        about_category = category_information(logits, prior.category(context.latent))
        context.signals["mutual_information"] = about_category.detach()
        loss = -self.weight * about_category
        if prior.continuous:
            about_codes = code_information(means, prior.codes(context.latent))
            context.signals["mutual_information_continuous"] = about_codes.detach()
            loss = loss - self.continuous_weight * about_codes
        return loss
