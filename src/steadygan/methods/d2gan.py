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

from typing import ClassVar

import torch
from pydantic import model_validator
from torch import Tensor, nn

from steadygan.game.optimizers import Adam
from steadygan.game.recipe import Recipe
from steadygan.losses.d2gan import D2GANObjective, log_softplus
from steadygan.networks import DCGANNetworks
from steadygan.networks.base import Built
from steadygan.networks.dcgan import LIGHT
from steadygan.networks.mlp import PLANE
from steadygan.priors import Uniform


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


class D2GAN(Recipe):
    """The game with a second discriminator beside the first, of the same networks."""

    discriminators: ClassVar = 2

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

family = "labels and codes"
use_when = "modes are dropped: a second D weighs the reverse divergence"
recipe = D2GAN(
    networks=DCGANNetworks(),
    objective=D2GANObjective(),
    prior=Uniform(dim=100),
    d_optimizer=ADAM,
    g_optimizer=ADAM,
    shared_latents=True,
)
vector_networks = PLANE
presets = {"light": {**LIGHT, "d_optimizer.lr": 1e-4, "g_optimizer.lr": 1e-3}}
