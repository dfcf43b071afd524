"""R3GAN. Huang et al. 2024, "The GAN is dead; long live the GAN! A Modern GAN Baseline",
arXiv:2501.05441.

    L_D = E softplus(C(g) - C(x)) + R1 + R2                       section 2, RpGAN + R1 + R2
    R1 = gamma/2 E ||grad C(x)||^2,  R2 = gamma/2 E ||grad C(g)||^2
    L_G = E softplus(C(x) - C(g))
    residual blocks 1x1, grouped 3x3, 1x1; no norm layers         section 3
    z: 64 normal; Adam betas (0, .9) -> (0, .99), lr 2e-4 -> 5e-5, gamma to a tenth, over 2e7 images

The numbers of the last line are those of the authors' code, where all of them follow half a cosine;
here they move in a straight line. gamma is that of its CIFAR-10 setting; for faces it has 2 at 64
px: r1.weight=2 r2.weight=2. Its augmentation and its conditional networks are left out, and G ends
in tanh. The authors' width is 768 with batch 512: preset=paper.
"""

from steadygan.game.optimizers import Adam
from steadygan.game.recipe import Recipe
from steadygan.losses.penalties import R1, R2
from steadygan.losses.relativistic import RpGAN
from steadygan.networks import R3GANNetworks
from steadygan.networks.mlp import PLANE_DEEP
from steadygan.priors import Normal

family = "relativistic, local penalties"
use_when = "you want the modern baseline, have a GPU, and can wait"
recipe = Recipe(
    networks=R3GANNetworks(width=64),
    objective=RpGAN(),
    prior=Normal(dim=64),
    on_d=(R1(weight=0.05, weight_end=0.1), R2(weight=0.05, weight_end=0.1)),
    optimizer=Adam(lr=2e-4, lr_end=0.25, betas=(0.0, 0.9), betas_end=(0.0, 0.99)),
    horizon_images=20_000_000,
)
vector_networks = PLANE_DEEP
presets = {
    "light": {
        "width": 16, "blocks": 1, "batch": 16, "lr": 2e-3, "r1.weight": 0.5, "r2.weight": 0.5,
    },
    "paper": {"width": 768, "batch": 512},
}  # fmt: skip
