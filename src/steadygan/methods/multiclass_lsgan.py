"""Multi-class LSGAN. Mao et al. 2017, "Least Squares Generative Adversarial Networks",
arXiv:1611.04076 (its first version: "Multi-class Generative Adversarial Networks with the L2 Loss
Function"); multiclass-gan is its twin with sigmoid cross entropy.

    L_D = 1/2 E (C(x | P(y)) - 1)^2 + 1/2 E C(G(z | Q(y)) | P(y))^2     section 3.3
    L_G = 1/2 E (C(G(z | Q(y)) | P(y)) - 1)^2                           section 3.3
    P, Q: linear maps from the one-hot label to 256 numbers             section 3.3
    multiclass-gan: -log D and -log(1 - D) for the squares              section 4

For data of thousands of classes, such as the 3,740 characters of the paper. D judges one score a
pair of image and label: it has no class head. Real and fake batches have the same labels, D's and
G's step the same z. The maps are tables of which a batch reads its rows. The networks are those of
the authors' code for 28 px; larger images are halved down to 8 px.
"""

from steadygan.game.optimizers import Adam
from steadygan.game.recipe import Recipe
from steadygan.losses.least_squares import LeastSquares
from steadygan.losses.objectives import NonSaturating
from steadygan.networks import MulticlassNetworks
from steadygan.priors import Uniform

family = "least squares"
use_when = {
    "multiclass-lsgan": "there are hundreds or thousands of classes, such as Chinese characters",
    "multiclass-gan": "you compare its cross entropy with multiclass-lsgan's squares",
}
_recipe = Recipe(
    networks=MulticlassNetworks(),
    objective=LeastSquares(coding="01"),
    prior=Uniform(dim=1024),
    optimizer=Adam(lr=2e-4, betas=(0.5, 0.999)),
    shared_latents=True,
    horizon_images=64_000_000,
)
recipes = {
    "multiclass-lsgan": _recipe,
    "multiclass-gan": _recipe.changed(objective=NonSaturating()),
}
presets = {"light": {"width": 16, "hidden": 128, "label_dim": 16, "dim": 64, "lr": 1e-3}}
