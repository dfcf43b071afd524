"""Vanilla GAN. Goodfellow et al. 2014, "Generative Adversarial Nets", arXiv:1406.2661.

    V(D, G) = E log D(x) + E log(1 - D(G(z)))                     eq. 1
    L_D = -V(D, G)                                                Algorithm 1
    L_G = E log(1 - D(G(z)))          objective=minimax           eq. 1
    L_G = -E log D(G(z))              objective=ns (default)      section 3
    D* = p_d / (p_d + p_g),  V(D*, G) = -log 4 + 2 JSD            Proposition 1, Theorem 1

Two fully connected networks; D is maxout with dropout. The default optimizer is Adam, with which
later comparisons train it; preset=paper gives the authors' SGD with momentum, weight ranges and
batch 100. Their G starts its output bias at the pixels' marginals, which is left out here.
"""

from steadygan.game.optimizers import Adam
from steadygan.game.recipe import Recipe
from steadygan.losses.objectives import NonSaturating
from steadygan.networks import MLPNetworks
from steadygan.networks.mlp import PLANE
from steadygan.priors import Uniform

family = "first GANs"
use_when = "you want the original game, fully connected, as a baseline on images up to 32 px"
recipe = Recipe(
    networks=MLPNetworks(),
    objective=NonSaturating(),
    prior=Uniform(dim=100),
    optimizer=Adam(lr=2e-4, betas=(0.5, 0.999)),
    shared_latents=True,
)
vector_networks = PLANE
presets = {
    # Two updates of each player a step: fully connected networks learn least from one.
    "light": {"width": 512, "d_width": 128, "lr": 2e-3, "d_steps": 2, "g_steps": 2},
    "paper": {
        "optimizer": "sgd",
        "batch": 100,
        "g_range": 0.05,
        "d_range": 0.005,
        "horizon_images": 15_000_000,
    },
}
