"""SNGAN. Miyato et al. 2018, "Spectral Normalization for Generative Adversarial Networks",
arXiv:1802.05957.

    W_SN = W / sigma(W) in every layer of D                       eq. 8
    v <- W^T u / |W^T u|,  u <- W v / |W v|,  sigma = u^T W v      Algorithm 1
    L_D, L_G: binary cross entropy, G on -log D (the CNN)         section 4.1, eq. 15
    L_D = E max(0, 1 - C(x)) + E max(0, 1 + C(g)), L_G = -E C(g)  objective=hinge, eq. 16 and 17
    Adam(2e-4, .5, .999), one step of D a step of G               Table 1, setting C

One power iteration at the start of each D step, for all its forwards (the authors' code: one at
every forward). The default is the convolutional network; preset=paper gives the residual one of
appendix B.4 with the hinge loss, Adam(2e-4, 0, .9), five steps of D and a rate that falls to 0 over
50,000 iterations. The authors' G sees 128 latents a step there, here as many as D.
"""

from steadygan.game.optimizers import Adam
from steadygan.game.recipe import Recipe
from steadygan.losses.objectives import NonSaturating
from steadygan.networks import SNGANNetworks
from steadygan.networks.mlp import PLANE_DEEP
from steadygan.parts.normalisation import SpectralNormalisation
from steadygan.priors import Normal

family = "spectral norm"
use_when = "you want D held at little cost in time, for natural images"
recipe = Recipe(
    networks=SNGANNetworks(),
    objective=NonSaturating(),
    prior=Normal(dim=128),
    shared=(SpectralNormalisation(),),
    optimizer=Adam(lr=2e-4, betas=(0.5, 0.999)),
    shared_latents=True,
)
vector_networks = PLANE_DEEP
presets = {
    "light": {
        "width": 8,
        "batch": 32,
        "lr": 1e-3,
        "betas": (0.5, 0.9),
        "d_steps": 5,
        "shared_latents": False,
    },
    "paper": {
        "backbone": "resnet",
        "objective": "hinge",
        "betas": (0.0, 0.9),
        "lr_end": 0.0,
        "d_steps": 5,
        "shared_latents": False,
        "horizon_images": 16_000_000,
    },
}
