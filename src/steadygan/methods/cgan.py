"""Conditional GAN. Mirza & Osindero 2014, "Conditional Generative Adversarial Nets",
arXiv:1411.1784.

    min_G max_D  E log D(x | y) + E log(1 - D(G(z | y)))          eq. 2
    z and y each through a layer, then a joint one, in G and D    section 4.1

The class is a second input of both players; real and fake samples have the same classes. L_G is
the non-saturating -E log D(G(z | y) | y); objective=minimax is the paper's. Grey images up to
32 px have the paper's networks for MNIST; others, of which it has none, convolutional ones with the
class mapped in (preset=light: for all). The default optimizer is Adam; preset=paper gives the
authors' SGD and batch.
"""

from steadygan.game.optimizers import Adam
from steadygan.game.recipe import Recipe
from steadygan.losses.objectives import NonSaturating
from steadygan.networks import ConditionalNetworks
from steadygan.priors import Uniform

family = "labels and codes"
use_when = "there are up to some dozens of classes: the nearest to real images in minutes"
recipe = Recipe(
    networks=ConditionalNetworks(),
    objective=NonSaturating(),
    prior=Uniform(dim=100),
    optimizer=Adam(lr=2e-4, betas=(0.5, 0.999)),
    shared_latents=True,
)
presets = {
    # Kernels of 4 give more images a second; a label of 23 numbers gives D's first convolution 24
    # maps. Both are measured in docs/studies/small-images.md.
    "light": {
        "dense": False,
        "kernel": 4,
        "width": 16,
        "hidden": 128,
        "label_dim": 23,
        "lr": 1e-3,
    },
    "paper": {"optimizer": "sgd:decay=1.00004", "batch": 100, "horizon_images": 15_000_000},
}
