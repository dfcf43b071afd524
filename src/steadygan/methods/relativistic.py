"""Relativistic GANs. Jolicoeur-Martineau 2018, "The relativistic discriminator: a key element
missing from standard GAN", arXiv:1807.00734.

    rpgan:  L_D = -E log s(C(x) - C(g))                           section 4.1, in pairs
            L_G = -E log s(C(g) - C(x))
    ragan:  L_D = -(E log s(C(x) - E C(g)) + E log(1 - s(C(g) - E C(x)))) / 2     section 4.2
            L_G: the same with x and g swapped

s is the sigmoid. G too looks at real samples, a batch of its own: it is asked to lower their score
below that of its fakes. Networks and optimizer are DCGAN's, as in the author's comparison on
CIFAR-10; the halves of ragan are those of the author's code.
"""

from steadygan.game.optimizers import Adam
from steadygan.game.recipe import Recipe
from steadygan.losses.relativistic import RaGAN, RpGAN
from steadygan.networks import DCGANNetworks
from steadygan.networks.dcgan import LIGHT
from steadygan.networks.mlp import PLANE
from steadygan.priors import Normal

family = "relativistic, local penalties"
use_when = {
    "rpgan": "D shall judge pairs of a real and a generated sample",
    "ragan": "D shall judge samples against the mean of the other side",
}
_shared = Recipe(
    networks=DCGANNetworks(),
    objective=RpGAN(),
    prior=Normal(dim=128),
    optimizer=Adam(lr=2e-4, betas=(0.5, 0.999)),
    shared_latents=True,
)
recipes = {"rpgan": _shared, "ragan": _shared.changed(objective=RaGAN())}
vector_networks = PLANE
presets = {
    "light": {**LIGHT, "lr": 5e-4},
    "paper": {"batch": 32},
}
