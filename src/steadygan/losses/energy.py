"""Games of energies: D gives each sample an error, low for real ones, as auto-encoders do.

Errors are D's raw outputs, shape (B,), float32, 0 or more: `real_scores` and `fake_scores` of a
discriminator such as `networks/autoencoder.py` has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import normalize, relu

from steadygan.game.objective import Objective
from steadygan.game.part import Part

if TYPE_CHECKING:
    from steadygan.game.context import StepContext
    from steadygan.game.recipe import Recipe


def began_d_loss(real_errors: Tensor, fake_errors: Tensor, k: Tensor | float = 1.0) -> Tensor:
    """E l(x) - k E l(g), k a constant in [0, 1]. Berthelot et al. 2017, section 3.4."""
    return real_errors.mean() - k * fake_errors.mean()


def energy_g_loss(fake_scores: Tensor) -> Tensor:
    """E C(g), where real samples score low: errors of an auto-encoder (BEGAN section 3.4, EBGAN
    eq. 2), or the losses of LS-GAN (Qi 2017) and WGAN-div (Wu et al. 2018)."""
    return fake_scores.mean()


def ebgan_d_loss(real_errors: Tensor, fake_errors: Tensor, margin: float) -> Tensor:
    """E D(x) + E relu(m - D(g)): fakes beyond the margin push no more. Zhao et al. 2017, eq. 1."""
    return real_errors.mean() + relu(margin - fake_errors).mean()


def pulling_away(features: Tensor) -> Tensor:
    """The mean squared cosine of each pair of features (B, ...), a scalar in [0, 1].

    Zhao et al. 2017, section 2.4: 1 where all point one way, 0 where all are orthogonal.
    """
    units = normalize(features.float().flatten(1), dim=1)
    count = len(units)
    off_diagonal = 1.0 - torch.eye(count, device=units.device)
    return ((units @ units.T).square() * off_diagonal).sum() / (count * (count - 1))


class Energy(Objective):
    """Base of games of errors: they want a D that gives some, 0 or more. A D of raw scores would
    lower those of real samples without end."""

    real_is_high = False
    threshold = None
    g_loss: ClassVar = staticmethod(energy_g_loss)

    def incompatibility(self, recipe: Recipe) -> str | None:
        if recipe.networks.d_gives_errors:
            return None
        return (
            f"{self.name} wants an auto-encoder for D, whose errors are 0 or more, and "
            f"'{recipe.networks.name}' networks give scores without a bound: set networks=ebgan or "
            "networks=began"
        )


class BEGANObjective(Energy):
    """E l(x) - k E l(g) for D, E l(g) for G; k is 1 but in BEGAN's recipe, which moves it."""

    name = "began"
    optimises: ClassVar = "Wasserstein distance"

    d_loss: ClassVar = staticmethod(began_d_loss)


class EBGANObjective(Energy):
    """E D(x) + E relu(m - D(g)) for D, E D(g) for G. Zhao et al. 2017, arXiv:1609.03126."""

    name = "ebgan"
    optimises: ClassVar = "total variation"
    margin: float = Field(10.0, gt=0)

    def d_loss(self, real_scores: Tensor, fake_scores: Tensor) -> Tensor:
        return ebgan_d_loss(real_scores, fake_scores, self.margin)


class PullingAway(Part):
    """lambda PT on G: the fakes of a batch shall differ in D's features. EBGAN section 2.4."""

    name = "pulling-away"
    sides: ClassVar = ("on_g",)
    reads_features: ClassVar = True
    weight: float = Field(0.1, ge=0)

    @property
    def reads_batch(self) -> bool:
        return True

    def loss(self, context: StepContext) -> Tensor:
        return self.weight * pulling_away(context.whole(context.fake_features))
