"""SAGAN. Zhang et al. 2019, "Self-Attention Generative Adversarial Networks", arXiv:1805.08318.

    beta_ji = softmax_i(f(x_i) . g(x_j)),  y = gamma o + x        eq. 1 to 3, gamma = 0 at the start
    sagan-hinge:        E max(0, 1 - C(x)) + E max(0, 1 + C(g)),  -E C(g)     eq. 4
    sagan-wasserstein:  E C(g) - E C(x),                          -E C(g)
    sagan-js:           binary cross entropy,                     -E log D(g)
    spectral normalisation in G and D, D's rate 4 times G's       section 4
    Adam(1e-4, 0, .9) for G, Adam(4e-4, 0, .9) for D, 1:1         section 5

Attention stands at 16x16 (14x14 for 28 pixels, 32x32 for 64) in both nets; D's Lipschitz bound for
`sagan-wasserstein` is that of its spectral norm. The authors' code gives G -E C(g) with the "JS"
loss too: objective=ns-linear. Unconditional, on SNGAN's convolutional networks; preset=paper takes
the residual ones and batch 256. The paper's are for 128 pixels and classes (conditional batch norm,
projection), which these networks leave out.
"""

from steadygan.game.optimizers import Adam
from steadygan.game.recipe import Recipe
from steadygan.losses.objectives import Hinge, NonSaturating, Wasserstein
from steadygan.networks import SNGANNetworks
from steadygan.parts.normalisation import SpectralNormalisation
from steadygan.priors import Normal

family = "attention"
use_when = {
    "sagan-hinge": "shapes span the image (64 px and more) and there is a GPU",
    "sagan-wasserstein": "you compare the Wasserstein loss with sagan-hinge on the same networks",
    "sagan-js": "you compare cross entropy with sagan-hinge on the same networks",
}
_hinge = Recipe(
    networks=SNGANNetworks(attention=(1,)),
    objective=Hinge(),
    prior=Normal(dim=128),
    shared=(SpectralNormalisation(players="both"),),
    d_optimizer=Adam(lr=4e-4, betas=(0.0, 0.9)),
    g_optimizer=Adam(lr=1e-4, betas=(0.0, 0.9)),
    shared_latents=True,
)
recipes = {
    "sagan-hinge": _hinge,
    "sagan-wasserstein": _hinge.changed(objective=Wasserstein()),
    "sagan-js": _hinge.changed(objective=NonSaturating()),
}
presets = {
    "light": {"width": 16, "batch": 32, "d_optimizer.lr": 1e-3, "g_optimizer.lr": 2.5e-4},
    "paper": {"backbone": "resnet", "batch": 256, "horizon_images": 256_000_000},
}
