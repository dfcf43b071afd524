"""InfoGAN. Chen et al. 2016, "InfoGAN: Interpretable Representation Learning by Information
Maximizing Generative Adversarial Nets", arXiv:1606.03657.

    min_{G,Q} max_D  V(D, G) - lambda L_I(G, Q)                   eq. 6
    L_I = E log Q(c|x) + H(c) <= I(c; G(z, c))                    eq. 4 and 5
    lambda = 1 for the category, .1 for continuous codes          section 7
    z: 62 noise, c: one of 10 categories and 2 codes U(-1, 1)     appendix C.1

Q shares D's trunk and moves with D's optimizer; the information term reaches G too. Adam with
1e-3 for G and 2e-4 for D and Q.
"""

from steadygan.game.optimizers import Adam
from steadygan.game.recipe import Recipe
from steadygan.losses.information import MutualInformation
from steadygan.losses.objectives import NonSaturating
from steadygan.networks import InfoGANNetworks
from steadygan.priors import Coded

family = "first GANs"
use_when = "there are no labels and you want codes that one can read: kind, slant, width"
recipe = Recipe(
    networks=InfoGANNetworks(),
    objective=NonSaturating(),
    prior=Coded(dim=62, categories=10, continuous=2),
    on_d=(MutualInformation(),),
    on_g=(MutualInformation(),),
    d_optimizer=Adam(lr=2e-4, betas=(0.5, 0.999)),
    g_optimizer=Adam(lr=1e-3, betas=(0.5, 0.999)),
    shared_latents=True,
)
presets = {
    "light": {"width": 16, "hidden": 512, "d_optimizer.lr": 3e-4},
    "paper": {"batch": 128, "horizon_images": 640_000},
}
