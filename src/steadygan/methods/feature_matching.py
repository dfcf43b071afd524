"""Feature matching. Salimans et al. 2016, "Improved Techniques for Training GANs",
arXiv:1606.03498.

    L_D = -E log D(x) - E log(1 - D(G(z)))                        Goodfellow et al. 2014, eq. 1
    L_G = || E f(x) - E f(G(z)) ||_2^2                            section 3.1
    f: D's layer before the last; feature-matching.norm=l1 is the authors' mean |E f(x) - E f(G(z))|
    Adam(3e-4, .5); constant for two thirds of the run, then down to 0     authors' code

G is not asked to fool D, only to match what D looks at on average, so it cannot run after the
weaknesses of one D. The paper trains D as a classifier of K + 1 classes (section 5); without labels
that loss is half of the one above (`unsupervised_loss` in game/matching.py). DCGAN's networks by
default, with D's batch norm left out: it would make the means of every channel agree by itself.
preset=paper gives those of the authors' CIFAR code, and batch 100. Not theirs: D ends in one score,
z is U(-1, 1) rather than U(0, 1), and the rate is constant (lr_end=0 lets it fall in a straight
line from the start).
"""

from steadygan.game.optimizers import Adam
from steadygan.game.recipe import Recipe
from steadygan.losses.matching import FeatureMatching
from steadygan.losses.objectives import NonSaturating
from steadygan.networks import DCGANNetworks
from steadygan.networks.dcgan import LIGHT
from steadygan.networks.mlp import PLANE
from steadygan.priors import Uniform

family = "features"
use_when = "G shall match what D looks at on average, as in semi-supervised learning"
recipe = Recipe(
    networks=DCGANNetworks(d_norm="none"),
    objective=NonSaturating(),
    prior=Uniform(dim=100),
    on_g=(FeatureMatching(weight=1.0, norm="l2sq"),),
    g_adversarial=0.0,
    optimizer=Adam(lr=3e-4, betas=(0.5, 0.999)),
    shared_latents=True,
)
vector_networks = PLANE
presets = {
    "light": {**LIGHT, "d_optimizer.lr": 2e-4, "g_optimizer.lr": 1e-3},
    "paper": {"networks": "improved", "batch": 100, "horizon_images": 60_000_000},
}  # fmt: skip
