"""LSGAN. Mao et al. 2017, "Least Squares Generative Adversarial Networks", arXiv:1611.04076.

    L_D = 1/2 E (C(x) - b)^2 + 1/2 E (C(G(z)) - a)^2              eq. 2
    L_G = 1/2 E (C(G(z)) - c)^2                                   eq. 2
    C* = (b p_d + a p_g) / (p_d + p_g)                            section 3.2.2
    coding=pearson (default): a, b, c = -1, 1, 0                  section 3.2.3
        2 L_G, with C* and up to a constant, is the Pearson chi-square divergence
        between p_d + p_g and 2 p_g                               section 3.2.2
    coding=01: a, b, c = 0, 1, 1 (of the paper's experiments)     section 3.2.3

DCGAN's networks with Adam(2e-4, .5) by default; preset=paper gives the authors' generator for
scenes of 112 pixels (its 3x3 kernels work at any size), z of 1,024 numbers and Adam(1e-3, .5).
In the plane the rates are theirs for mixtures of Gaussians; their networks there end in tanh
layers, these in ReLU layers. `objective.coding` also takes three numbers.
"""

from steadygan.game.optimizers import Adam
from steadygan.game.recipe import Recipe
from steadygan.losses.least_squares import LeastSquares
from steadygan.networks import DCGANNetworks
from steadygan.networks.dcgan import LIGHT
from steadygan.networks.mlp import PLANE
from steadygan.priors import Uniform

family = "least squares"
use_when = "you want a loss that still pulls samples which D is sure about"
recipe = Recipe(
    networks=DCGANNetworks(),
    objective=LeastSquares(),
    prior=Uniform(dim=100),
    optimizer=Adam(lr=2e-4, betas=(0.5, 0.999)),
    shared_latents=True,
)
vector_networks = PLANE
vector_settings = {"prior": "normal:dim=256", "g_optimizer.lr": 1e-3, "d_optimizer.lr": 1e-4}
presets = {
    "light": {**LIGHT, "d_optimizer.lr": 3e-4, "g_optimizer.lr": 1e-3},
    "paper": {"networks": "lsgan", "dim": 1024, "lr": 1e-3},
}  # fmt: skip
