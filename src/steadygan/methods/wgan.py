"""WGAN. Arjovsky et al. 2017, "Wasserstein GAN", arXiv:1701.07875.

    L_D = E C(G(z)) - E C(x),   w <- clip(w, -c, c)               Algorithm 1
    L_G = -E C(G(z))                                              Algorithm 1
    c = .01, n_critic = 5, RMSProp(5e-5), no momentum             Algorithm 1
    critic_warmup=true: n_critic 100 in the first 25 iterations and every 500th (authors' code)

DCGAN's networks: those of DCGAN-TF by default, 8,825,220 parameters in G and D at 32x32x3 and
9,451,908 at 64x64x3, as comparisons of objectives train them; with 4x4 kernels and without
convolution biases in preset=paper (authors' code). Batch norm stays, and is clipped too. -L_D
estimates the Wasserstein distance up to the critic's Lipschitz factor.
"""

from steadygan.game.optimizers import RMSProp
from steadygan.game.recipe import Recipe
from steadygan.losses.objectives import Wasserstein
from steadygan.networks import DCGANNetworks
from steadygan.networks.dcgan import LIGHT
from steadygan.networks.mlp import PLANE_DEEP
from steadygan.parts.constraints import WeightClip
from steadygan.priors import Normal

family = "critics"
use_when = "you study weight clipping, or want the first Wasserstein critic as a baseline"
recipe = Recipe(
    networks=DCGANNetworks(),
    objective=Wasserstein(),
    prior=Normal(dim=100),
    on_d=(WeightClip(bound=0.01),),
    d_steps=5,
    optimizer=RMSProp(lr=5e-5),
)
vector_networks = PLANE_DEEP
presets = {
    "light": {**LIGHT, "bias": False, "lr": 5e-4},
    "paper": {"kernel": 4, "bias": False, "critic_warmup": True},
}
