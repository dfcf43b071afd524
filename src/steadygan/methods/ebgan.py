"""EBGAN. Zhao, Mathieu & LeCun 2017, "Energy-based Generative Adversarial Network",
arXiv:1609.03126.

    L_D = E D(x) + E max(0, m - D(g))                             eq. 1
    L_G = E D(g) + .1 PT                                          eq. 2, section 2.4
    D(v) = ||Dec(Enc(v)) - v||, an energy: low for real samples   section 2.3
    PT = mean over pairs of (s_i s_j / |s_i| |s_j|)^2, s = Enc(g) section 2.4
    Adam(1e-3, .5), m = 10 for digits, 20 for CelebA, 80 for LSUN section 4, appendix

D(v) is the Euclidean norm over all pixels, as the margins of the paper suggest: m grows with the
size of the images (preset=paper: m = 20 for 64 px). Uncertain: the batch norm of D, here as in
DCGAN. The margin asks nothing more of D where D(g) > m.
"""

from steadygan.game.optimizers import Adam
from steadygan.game.recipe import Recipe
from steadygan.losses.energy import EBGANObjective, PullingAway
from steadygan.networks.autoencoder import EBGANNetworks
from steadygan.priors import Uniform

family = "auto-encoders"
use_when = "you want D to be an auto-encoder whose error is the score, with a margin"
recipe = Recipe(
    networks=EBGANNetworks(),
    objective=EBGANObjective(margin=10.0),
    prior=Uniform(dim=100),
    on_g=(PullingAway(weight=0.1),),
    optimizer=Adam(lr=1e-3, betas=(0.5, 0.999)),
    shared_latents=True,
)
presets = {
    "light": {"width": 16},
    "paper": {"objective.margin": 20.0},
}
