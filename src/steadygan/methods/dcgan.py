"""DCGAN. Radford et al. 2016, "Unsupervised Representation Learning with Deep Convolutional
Generative Adversarial Networks", arXiv:1511.06434.

    L_D = -E log D(x) - E log(1 - D(G(z)))                        Goodfellow et al. 2014, eq. 1
    L_G = -E log D(G(z))                                          ibid., section 3
    strided convolutions for pooling, batch norm except on G's output and D's input,
    ReLU in G, tanh at its end, LeakyReLU(.2) in D                section 3
    Adam(2e-4, .5), weights N(0, .02)                             section 4

The default width is that of DCGAN-TF: 8,825,220 parameters in G and D at 32x32x3, 9,451,908 at
64x64x3.
"""

from steadygan.game.optimizers import Adam
from steadygan.game.recipe import Recipe
from steadygan.losses.objectives import NonSaturating
from steadygan.networks import DCGANNetworks
from steadygan.networks.dcgan import LIGHT
from steadygan.priors import Uniform

family = "first GANs"
use_when = "there are no labels and little time: preset=tiny up to 32 px, preset=small above"
recipe = Recipe(
    networks=DCGANNetworks(),
    objective=NonSaturating(),
    prior=Uniform(dim=100),
    optimizer=Adam(lr=2e-4, betas=(0.5, 0.999)),
    shared_latents=True,
)
presets = {
    "light": {**LIGHT, "lr": 5e-4},
    # For images up to 32 px and minutes of two cores: two stages behind a hidden layer, as InfoGAN
    # has for digits, and the slower D of two time scales (docs/studies/small-images.md).
    "tiny": {
        **LIGHT,
        "stages": 2,
        "hidden": 512,
        "d_optimizer.lr": 3e-4,
        "g_optimizer.lr": 1e-3,
    },
    # For one's own pictures and minutes of two cores: more steps of fewer images, no batch norm in
    # D, rates that end at 0; with `--add spectral-norm` (docs/studies/own-pictures.md).
    "small": {
        **LIGHT,
        "d_norm": "none",
        "batch": 16,
        "lr": 1e-3,
        "d_optimizer.lr_end": 0.0,
        "g_optimizer.lr_end": 0.0,
    },
    "paper": {
        "width": 128,
        "batch": 128,
        "bias": False,
        "gain_std": 0.02,
        "weight_decay": 1e-5,
    },
}
