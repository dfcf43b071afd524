"""GAN-QP. Su 2018, "GAN-QP: A Novel GAN Framework without Gradient Vanishing and Lipschitz
Constraint", arXiv:1811.07296.

    L_D = E (-D + D^2 / (2 lambda d(x, g))),  D = C(x) - C(g)     section 2, in pairs
    L_G = E D
    at best D = lambda d(x, g), and L_D = -lambda E d(x, g) / 2
    lambda = 10, 2 steps of D each, Adam(2e-4, .5), z: 128 normal        the authors' code

The quadratic term bounds what D can gain from a pair by how far apart the two images are, so that
no Lipschitz constraint is needed and the slope for G never vanishes. d is the mean absolute
difference; quadratic-potential.distance=l2 takes the root of the mean square. E C(x) in L_G does
not depend on G and is left out.
"""

from steadygan.game.optimizers import Adam
from steadygan.game.recipe import Recipe
from steadygan.losses.margins import QuadraticPotential
from steadygan.losses.objectives import Wasserstein
from steadygan.networks import DCGANNetworks
from steadygan.networks.dcgan import LIGHT
from steadygan.networks.mlp import PLANE
from steadygan.priors import Normal

family = "critics"
use_when = "you want a critic with neither Lipschitz constraint nor gradient penalty"
recipe = Recipe(
    networks=DCGANNetworks(),
    objective=Wasserstein(),
    prior=Normal(dim=128),
    on_d=(QuadraticPotential(slope=10.0),),
    d_steps=2,
    optimizer=Adam(lr=2e-4, betas=(0.5, 0.999)),
)
vector_networks = PLANE
presets = {
    "light": {**LIGHT, "lr": 5e-4},
    "paper": {"quadratic-potential.distance": "l2"},
}
