"""LS-GAN, the loss-sensitive GAN. Qi 2017, "Loss-Sensitive Generative Adversarial Networks on
Lipschitz Densities", arXiv:1701.06264.

    L_D = gamma E C(x) + E relu(tau |x - g|_1 + C(x) - C(g))      section 3, in pairs
    L_G = E C(g)
    GLS-GAN: max(a, nu a) for relu(a); nu = 0 is LS-GAN, nu = 1 WGAN
    gamma = 0, tau = 2e-4, Adam(1e-4, .5), z: 100 uniform         the author's code

C is a loss: low for real samples, and for fakes to be higher by a margin that grows with their
distance. A pair that keeps its margin has no gradient, so D works only on fakes that are not yet
told apart. tau belongs to |.|_1 summed over 64x64x3 values; here their mean is taken, and the
margin is 2.4576 = 12,288 tau at any size. The author ends D in a ReLU, which is left out: it can
die, and only differences of scores count. objective.leak is nu. Not to be confused with `lsgan`,
least squares.
"""

from steadygan.game.optimizers import Adam
from steadygan.game.recipe import Recipe
from steadygan.losses.margins import LossSensitive
from steadygan.networks import DCGANNetworks
from steadygan.networks.mlp import PLANE
from steadygan.priors import Uniform

family = "critics"
use_when = "you want D to leave samples alone that are already told apart by a margin"
recipe = Recipe(
    networks=DCGANNetworks(kernel=4),
    objective=LossSensitive(),
    prior=Uniform(dim=100),
    optimizer=Adam(lr=1e-4, betas=(0.5, 0.999)),
    shared_latents=True,
)
vector_networks = PLANE
presets = {
    "light": {"width": 16, "stages": 3, "lr": 5e-4},
}
