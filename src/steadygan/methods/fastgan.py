"""FastGAN. Liu et al. 2021, "Towards Faster and Stabilized GAN Training for High-fidelity Few-shot
Image Synthesis", arXiv:2101.04775.

    L_D = E max(0, 1 - C(x)) + E max(0, 1 + C(g)) + L_recons      section 3.2
    L_G = -E C(g)
    L_recons = E |A(f1_part) - x_part| + E |B(f2) - x|            ibid., on real images alone
    f1, f2: D's maps at 16x16 and 8x8, A, B: small decoders that move with D
    y = F(low) . high, a factor a channel, in G                   section 3.1, skip-layer excitation
    spectral norm, DiffAugment, Adam(2e-4, .5)                    section 4 and the authors' code

Of the authors' code: widths, z, color and translation alone, and that D rebuilds the images as it
is given them; preset=paper adds its batch, its average of G (.999 an iteration), batch norm in D
and spectral norm in G too.

Uncertain, and ours: the distance of L_recons is a perceptual one there, and here the absolute error
at three scales, which needs no trained network. The part is a quarter of f1 at any place (the code:
one of its four corners). C is one score, by one more convolution and a linear layer (the code: 5x5
scores). Under 64 pixels the gates reach over fewer doublings than four, and decoders make no image
larger than D's. Left out: the code's noise in every second block of G (one latent would have many
images), its hinge at random margins, gates and a second branch in D.
"""

from steadygan.game.optimizers import Adam
from steadygan.game.recipe import Recipe
from steadygan.losses.objectives import Hinge
from steadygan.losses.reconstruction import Reconstruction
from steadygan.networks import FastGANNetworks
from steadygan.parts.augment import DiffAugment
from steadygan.parts.normalisation import SpectralNormalisation
from steadygan.priors import Normal

family = "few images"
use_when = "there are few images of 128 px and more, and a GPU or hours"
recipe = Recipe(
    networks=FastGANNetworks(),
    objective=Hinge(),
    prior=Normal(dim=256),
    on_d=(Reconstruction(),),
    shared=(SpectralNormalisation(), DiffAugment(policy=("color", "translation"))),
    optimizer=Adam(lr=2e-4, betas=(0.5, 0.999)),
    shared_latents=True,
)
presets = {
    "light": {"width": 4, "batch": 16, "lr": 1e-3},
    "paper": {
        "batch": 8,
        "halflife_images": 5542.0,
        "d_norm": "batch",
        "spectral-norm.players": "both",
    },
}
