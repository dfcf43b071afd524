"""WGAN-div. Wu et al. 2018, "Wasserstein Divergence for GANs", arXiv:1712.01026.

    L_D = E C(x) - E C(g) + k E ||grad C(u)||^p                   section 3, Algorithm 1
    u = eps x + (1 - eps) g, eps ~ U(0, 1) a sample
    L_G = E C(g),  k = 2, p = 6

Fakes score high here. The penalty asks for no slope of 1, only for little slope: its maximum is a
divergence of its own right, so C need not be 1-Lipschitz. Adam(2e-4) with betas (0, .9) and 4
critic steps are those of the authors' code, which has 10 in the place of k = 2 (preset=paper keeps
the paper's 2) and residual networks with layer norm; these are WGAN-GP's convolutions.
"""

from steadygan.game.optimizers import Adam
from steadygan.game.recipe import Recipe
from steadygan.losses.objectives import WassersteinLow
from steadygan.losses.penalties import WassersteinDivergence
from steadygan.networks import DCGANNetworks
from steadygan.networks.mlp import PLANE_DEEP
from steadygan.priors import Normal

family = "critics"
use_when = "you want a penalised critic that need not be 1-Lipschitz"
recipe = Recipe(
    networks=DCGANNetworks(stages=None, d_norm="none"),
    objective=WassersteinLow(),
    prior=Normal(dim=128),
    on_d=(WassersteinDivergence(weight=2.0, power=6.0),),
    d_steps=4,
    optimizer=Adam(lr=2e-4, betas=(0.0, 0.9)),
    horizon_images=20_000_000,
)
vector_networks = PLANE_DEEP
presets = {
    "light": {"width": 16, "kernel": 4, "lr": 1e-3, "batch": 32},
    "paper": {"width": 128, "horizon_images": 51_200_000},
}
