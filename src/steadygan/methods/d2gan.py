"""D2GAN. Nguyen et al. 2017, "Dual Discriminator Generative Adversarial Nets", arXiv:1709.03831.

    J = alpha E log D1(x) - E D1(G(z)) - E D2(x) + beta E log D2(G(z))     eq. 1
    D1 and D2 maximise J, G minimises it; D1, D2 > 0 end in a softplus     section 3
    D1* = alpha p_d / p_g,  D2* = beta p_g / p_d                           Proposition 1
    J*  = alpha (log alpha - 1) + beta (log beta - 1)
          + alpha KL(p_d || p_g) + beta KL(p_g || p_d)                     Theorem 2
    alpha, beta in (0, 1], Adam(2e-4, .5)                                  section 5

D1 favours data, D2 samples; both have their own weights, in one module that D's optimizer moves.
The log reads them as one score, (log D1 - log D2) / 2: at the optimum the log-odds of real, up to
log(alpha / beta) / 2. The paper tunes alpha and beta by data set and the authors' code is of its
two-dimensional experiment alone, with 1 and 1: those are the defaults here.
"""

import math
from typing import ClassVar

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn.functional import softplus

from steadygan.game.context import StepContext
from steadygan.game.objective import Objective
from steadygan.game.optimizers import Adam
from steadygan.game.priors import Uniform
from steadygan.game.recipe import Recipe
from steadygan.networks import DCGANNetworks
from steadygan.networks.base import Built
from steadygan.networks.dcgan import LIGHT
from steadygan.networks.mlp import PLANE


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


class TwoDiscriminators(nn.Module):
    """D1 and D2 as one: features (B, 2) are their raw outputs, the score is (log D1 - log D2) / 2
    with D = softplus of an output."""

    def __init__(self, first: nn.Module, second: nn.Module) -> None:
        super().__init__()
        self.first = first
        self.second = second

    def features(self, x: Tensor, *condition: Tensor) -> Tensor:
        outputs = [
            network(x, *condition).float().flatten() for network in (self.first, self.second)
        ]
        return torch.stack(outputs, 1)

    def head(self, features: Tensor) -> Tensor:
        first, second = log_softplus(features).unbind(1)
        return (first - second) / 2

    def forward(self, x: Tensor, *condition: Tensor) -> Tensor:
        return self.head(self.features(x, *condition))


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
        if isinstance(recipe, D2GAN):
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


class D2GAN(Recipe):
    """The game with a second discriminator beside the first, of the same networks."""

    @model_validator(mode="after")
    def _two_ratios(self) -> "D2GAN":
        if not isinstance(self.objective, D2GANObjective):
            raise ValueError("d2gan has two discriminators: it wants objective=d2gan")
        return self

    def build(self, shape: tuple[int, ...], classes: int) -> Built:
        built = super().build(shape, classes)
        second = super().build(shape, classes)["discriminator"]
        built["discriminator"] = TwoDiscriminators(built["discriminator"], second)
        return built


ADAM = Adam(lr=2e-4, betas=(0.5, 0.999))

recipe = D2GAN(
    networks=DCGANNetworks(),
    objective=D2GANObjective(),
    prior=Uniform(dim=100),
    d_optimizer=ADAM,
    g_optimizer=ADAM,
    shared_latents=True,
)
vector_networks = PLANE
presets = {
    "light": {**LIGHT, "d_optimizer.lr": 1e-4, "g_optimizer.lr": 1e-3},
}  # fmt: skip
