"""SNGAN with L2-norm constraints on G, on D, and on both. Chao et al. 2021, "Constrained Generative
Adversarial Networks", IEEE Access 9, doi:10.1109/ACCESS.2021.3054822, and X. Chao's thesis,
Guangdong University of Technology.

    L_D, L_G of SNGAN                                             Miyato et al. 2018, eq. 8 and 15
    sngan-gl2:  L_G + lambda_g mean_i |x_i - G(z_i)|              lambda_g = .05, kind=pair
    sngan-dl2:  L_D + lambda_d mean_i (C(x_i) - C(g_i))^2         lambda_d = .1,  kind=pair
    sngan-l2:   both

The sources give words, not formulas: G is led to "a batch of images with a small Euclidean distance
to the real image" (the thesis), D's "relative output value" is held by an L2 norm, with the same
Nash equilibrium as without (the article's abstract). The two terms are our reading of them; others
are `generator-l2.kind=` pair_sq, batch_mean or nearest, `discriminator-l2.kind=mean` and
`discriminator-l2.on=probabilities`. With the hinge loss a lambda_d of .25 or less does nothing.
"""

from steadygan.losses.l2 import DiscriminatorL2, GeneratorL2
from steadygan.methods import sngan

family = "spectral norm"
use_when = {
    "sngan-gl2": "you study the L2-norm constraint on G, against sngan",
    "sngan-dl2": "you study the L2-norm constraint on D, against sngan",
    "sngan-l2": "you study both L2-norm constraints together, against sngan",
}
recipes = {
    "sngan-gl2": sngan.recipe.with_(GeneratorL2(weight=0.05)),
    "sngan-dl2": sngan.recipe.with_(DiscriminatorL2(weight=0.1)),
    "sngan-l2": sngan.recipe.with_(GeneratorL2(weight=0.05), DiscriminatorL2(weight=0.1)),
}
vector_networks = sngan.vector_networks
presets = {"light": sngan.presets["light"]}
