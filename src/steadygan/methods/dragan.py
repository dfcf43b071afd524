"""DRAGAN. Kodali et al. 2017, "On Convergence and Stability of GANs", arXiv:1705.07215.

    L_D = -E log D(x) - E log(1 - D(G(z))) + lambda E (||grad D(x^)|| - 1)^2     section 2.3
    x^ = x + eps delta, delta = .5 std(x) U(0, 1) a pixel, eps ~ U(0, 1) a sample
    L_G = -E log D(G(z)),  lambda = 10,  Adam(2e-4, .5)                          section 3

The penalty looks at real data alone: it keeps D flat around the samples, where sharp gradients
come before mode collapse. The noise is that of the authors' code; as there, D may have batch norm.
"""

from steadygan.game.optimizers import Adam
from steadygan.game.recipe import Recipe
from steadygan.losses.objectives import NonSaturating
from steadygan.losses.penalties import LocalGradientPenalty
from steadygan.networks import DCGANNetworks
from steadygan.networks.dcgan import LIGHT
from steadygan.networks.mlp import PLANE
from steadygan.priors import Uniform

family = "relativistic, local penalties"
use_when = "you want dcgan's loss with a penalty around real images alone"
recipe = Recipe(
    networks=DCGANNetworks(d_norm="none"),
    objective=NonSaturating(),
    prior=Uniform(dim=100),
    on_d=(LocalGradientPenalty(weight=10.0),),
    optimizer=Adam(lr=2e-4, betas=(0.5, 0.999)),
    shared_latents=True,
)
vector_networks = PLANE
presets = {
    "light": {**LIGHT, "lr": 5e-4},
    "paper": {"d_norm": "batch"},
}
