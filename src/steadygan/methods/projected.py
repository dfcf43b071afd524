"""Projected GAN. Sauer et al. 2021, "Projected GANs Converge Faster", arXiv:2111.01007.

    L_D = sum_l E max(0, 1 - C_l(P_l(x))) + E max(0, 1 + C_l(P_l(g)))    eq. 3, hinge: section 4
    L_G = -sum_l E C_l(P_l(g))
    P_l: maps of a frozen, pretrained network at strides 4, 8, 16 and 32, mixed across channels and
    scales by random convolutions that are never trained               section 3.2
    C_l: a small head with spectral norm a scale, one logit each        section 3.2
    G: FastGAN's; DiffAugment; Adam(2e-4, (0, .99)), batch 64, images at 256 px for the frozen
    network                                                 section 4 and the authors' code
    pixels=true: one more head, over the image itself            ours

Uncertain, and ours: heads have no batch norm (the code: one after each convolution), so that a
score follows from its image alone; each frozen map is divided by its root mean square before it is
mixed, which keeps the heads' slopes alike; a head's widths are 64, then 128.
docs/studies/own-pictures.md has what it gives on two cores.
"""

from steadygan.game.optimizers import Adam
from steadygan.game.recipe import Recipe
from steadygan.losses.projected import HeadsHinge
from steadygan.networks.projected import ProjectedNetworks
from steadygan.parts.augment import DiffAugment
from steadygan.parts.normalisation import SpectralNormalisation
from steadygan.priors import Normal

family = "few images"
use_when = "there are few colour images, and a GPU or a CPU with bf16"
recipe = Recipe(
    networks=ProjectedNetworks(),
    objective=HeadsHinge(),
    prior=Normal(dim=256),
    shared=(SpectralNormalisation(), DiffAugment(policy=("color", "translation", "cutout"))),
    optimizer=Adam(lr=2e-4, betas=(0.0, 0.99)),
    batch=64,
    shared_latents=True,
)
presets = {
    # Small enough for minutes of two cores; what `pixels` and the policy give is measured in
    # docs/studies/own-pictures.md.
    "light": {
        "width": 8,
        "mixed": 16,
        "side": 64,
        "batch": 16,
        "lr": 5e-4,
        "pixels": True,
        "diffaugment.policy": "translation,cutout",
    },
}
