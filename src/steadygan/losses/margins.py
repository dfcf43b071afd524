"""Critics whose scores are held against distances between samples: GAN-QP, LS-GAN, WGAN-div.

Scores are raw, (B,) float32; pairs are those of a batch, x_i with g_i. In LS-GAN and WGAN-div a
score is a loss: low for real samples, high for fakes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field
from torch import Tensor
from torch.nn.functional import leaky_relu

from steadygan.game.objective import Objective
from steadygan.game.part import Part
from steadygan.losses.energy import energy_g_loss

if TYPE_CHECKING:
    from steadygan.game.context import StepContext

#: The least distance that a squared difference is divided by: a pair of equal samples costs 0.
LEAST_DISTANCE = 1e-6
#: LS-GAN's margin a unit of |x - g|_1, in the author's code.
TAU = 2e-4


def pair_distances(real: Tensor, fake: Tensor, norm: Literal["l1", "l2"] = "l1") -> Tensor:
    """d(x_i, g_i), (B,): the mean absolute difference of values, or the root of the mean square.

    `real`, `fake`: (B, ...); both are taken as constants.
    """
    off = (real - fake).detach().flatten(1)
    return off.abs().mean(1) if norm == "l1" else off.square().mean(1).sqrt()


def quadratic_potential(
    real_scores: Tensor, fake_scores: Tensor, distances: Tensor, slope: float = 10.0
) -> Tensor:
    """E (C(x) - C(g))^2 / (2 slope d), distances (B,). GAN-QP's term beside -E (C(x) - C(g)).

    Su 2018, arXiv:1811.07296. The sum is least where C(x) - C(g) = slope d.
    """
    spread = (real_scores - fake_scores).square()
    return (spread / (2 * slope * distances.clamp_min(LEAST_DISTANCE))).mean()


class QuadraticPotential(Part):
    """E (C(x) - C(g))^2 / (2 slope d(x, g)) on D, for the Wasserstein objective. Su 2018, GAN-QP.

    `slope` is the paper's lambda; `distance` is d: "l1", the mean absolute difference of two
    images, or "l2", the root of the mean square.
    """

    name = "quadratic-potential"
    optimises: ClassVar = "quadratic potential"
    sides: ClassVar = ("on_d",)
    weight: float = Field(1.0, ge=0)
    slope: float = Field(10.0, gt=0)
    distance: Literal["l1", "l2"] = "l1"

    def loss(self, context: StepContext) -> Tensor:
        distances = pair_distances(context.real, context.d_fake_input, self.distance)
        scores = context.real_scores, context.fake_scores
        return self.weight * quadratic_potential(*scores, distances, self.slope)


def loss_sensitive_d_loss(
    real_scores: Tensor, fake_scores: Tensor, margins: Tensor, leak: float = 0.0
) -> Tensor:
    """E max(a, leak a), a = margin + C(x) - C(g): fakes are to score a margin above real samples.

    Qi 2017, arXiv:1701.06264; leak 0 is LS-GAN, between 0 and 1 GLS-GAN, 1 the Wasserstein loss up
    to a constant. `margins` (B,) are those of the pairs.
    """
    return leaky_relu(margins + real_scores - fake_scores, leak).mean()


class LossSensitive(Objective):
    """LS-GAN: a score is a loss, and fakes must lose by their distance to real samples. Qi 2017.

    L_D = real_weight E C(x) + E relu(margin mean|x - g| + C(x) - C(g)), L_G = E C(g). The author's
    code sums |x - g| over the 64x64x3 values of an image, times tau = 2e-4; on their mean that is
    2.4576 at any size. `leak` above 0 is GLS-GAN.
    """

    name = "loss-sensitive"
    optimises: ClassVar = "loss-sensitive margin"
    real_is_high: ClassVar[bool] = False
    threshold: ClassVar[float | None] = None
    is_critic: ClassVar[bool] = True
    in_context: ClassVar = ("d",)
    signal_titles: ClassVar = {"margin": "mean margin of the pairs"}
    margin: float = Field(TAU * 64 * 64 * 3, gt=0)
    leak: float = Field(0.0, ge=0, le=1)
    real_weight: float = Field(0.0, ge=0)

    def d_loss_in(self, context: StepContext) -> Tensor:
        margins = self.margin * pair_distances(context.real, context.d_fake_input)
        context.signals["margin"] = margins.mean()
        real = context.real_scores
        loss = loss_sensitive_d_loss(real, context.fake_scores, margins, self.leak)
        return loss + self.real_weight * real.mean()

    g_loss: ClassVar = staticmethod(energy_g_loss)
