"""WGAN-GP. Gulrajani et al. 2017, "Improved Training of Wasserstein GANs", arXiv:1704.00028.

    L_D = E C(x~) - E C(x) + lambda E (||grad C(x^)|| - 1)^2      eq. 3
    x^ = eps x + (1 - eps) x~, eps ~ U(0, 1) a sample             Algorithm 1
    L_G = -E C(x~)                                                Algorithm 1
    lambda = 10, n_critic = 5, Adam(1e-4)                         Algorithm 1
    D has no batch norm: the penalty is per sample                section 4

The default networks are those of DCGAN-TF without batch norm in D: 8,823,428 parameters in G and D
at 32x32x3 and 9,450,116 at 64x64x3, as comparisons of objectives train them. preset=paper has the
authors': latents of 128, FC to 4x4 and three stages up to 32 px (four above), 128 wide. Adam's
betas are (.5, .9), those of the authors' MNIST and CIFAR code; Algorithm 1 and their 64 px code
have (0, .9): betas=0,0.9. lambda is .1 in the plane.
"""

from steadygan.game.optimizers import Adam
from steadygan.game.recipe import Recipe
from steadygan.losses.objectives import Wasserstein
from steadygan.losses.penalties import GradientPenalty
from steadygan.networks import DCGANNetworks, MLPNetworks
from steadygan.priors import Normal

family = "critics"
use_when = "you want the most compared critic; five D steps and a penalty make it slow"
recipe = Recipe(
    networks=DCGANNetworks(d_norm="none"),
    objective=Wasserstein(),
    prior=Normal(dim=100),
    on_d=(GradientPenalty(weight=10.0),),
    d_steps=5,
    optimizer=Adam(lr=1e-4, betas=(0.5, 0.9)),
    horizon_images=20_000_000,
)
vector_networks = MLPNetworks(width=512, depth=3, d_width=512, d_pieces=1, d_dropout=False)
vector_settings = {"gradient-penalty.weight": 0.1, "prior.dim": 128}  # the authors' 2-D toys
_AUTHORS = {"stages": None, "prior.dim": 128}
presets = {
    "light": {**_AUTHORS, "width": 16, "kernel": 4, "lr": 1e-3, "batch": 32},
    "paper": {**_AUTHORS, "width": 128, "horizon_images": 64_000_000},
}
