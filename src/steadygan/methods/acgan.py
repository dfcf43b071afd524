"""AC-GAN. Odena et al. 2017, "Conditional Image Synthesis with Auxiliary Classifier GANs",
arXiv:1610.09585.

    L_S = E log P(S = real | x) + E log P(S = fake | G(z, c))     eq. 2
    L_C = E log P(C = c | x) + E log P(C = c | G(z, c))           eq. 3
    D maximises L_S + L_C, G maximises L_C - L_S                  section 3
    Adam(2e-4, .5), batch 100, weights N(0, .02)                  appendix A

G is given the class; D is not, and must name it. G's part of L_S is the non-saturating
-E log D(G(z, c)); objective=minimax is the paper's as written. Its table says 384 for G's first
layer: read here as 384 maps of 4x4, since 384 numbers make no map that three doublings take to 32.
"""

from steadygan.game.optimizers import Adam
from steadygan.game.recipe import Recipe
from steadygan.losses.classes import AuxiliaryClassifier
from steadygan.losses.objectives import NonSaturating
from steadygan.networks import ACGANNetworks
from steadygan.priors import Uniform

family = "labels and codes"
use_when = "there are classes and D shall name them, not be told"
recipe = Recipe(
    networks=ACGANNetworks(),
    objective=NonSaturating(),
    prior=Uniform(dim=100),
    on_d=(AuxiliaryClassifier(),),
    on_g=(AuxiliaryClassifier(),),
    optimizer=Adam(lr=2e-4, betas=(0.5, 0.999)),
    shared_latents=True,
)
presets = {
    "light": {"width": 16, "d_width": 4, "drop_rate": 0.0, "lr": 1e-3},
    "paper": {"batch": 100, "horizon_images": 5_000_000},
}
