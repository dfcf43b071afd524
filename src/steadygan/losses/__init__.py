"""Every loss, penalty and constraint as a plain function of tensors, for a loop of one's own.

Scores are raw and of shape (B,): no sigmoid. A loss is a scalar to minimise. Penalties call the
critic themselves and need a double backward, so keep them in float32. Shapes, ranges and sources
stand with each function.
"""

from steadygan.losses.classes import class_loss
from steadygan.losses.d2gan import d2gan_g_loss, d2gan_value
from steadygan.losses.decoding import decoding_loss
from steadygan.losses.energy import began_d_loss, ebgan_d_loss, energy_g_loss, pulling_away
from steadygan.losses.information import category_information, code_information
from steadygan.losses.l2 import discriminator_l2, generator_l2
from steadygan.losses.least_squares import (
    least_squares_d_loss,
    least_squares_d_loss_to,
    least_squares_g_loss,
)
from steadygan.losses.margins import (
    loss_sensitive_d_loss,
    pair_distances,
    quadratic_potential,
)
from steadygan.losses.matching import feature_matching_loss, unsupervised_loss
from steadygan.losses.objectives import (
    bce_d_loss,
    bce_d_loss_to,
    hinge_d_loss,
    hinge_g_loss,
    minimax_g_loss,
    non_saturating_g_loss,
    wasserstein_d_loss,
    wasserstein_g_loss,
)
from steadygan.losses.penalties import (
    gradient_penalty,
    lipschitz_penalty,
    r1_penalty,
    r2_penalty,
    wasserstein_divergence,
)
from steadygan.losses.projected import heads_d_loss, heads_g_loss
from steadygan.losses.reconstruction import reconstruction_loss
from steadygan.losses.regularisers import lecam_loss
from steadygan.losses.relativistic import ragan_d_loss, ragan_g_loss, rpgan_d_loss, rpgan_g_loss
from steadygan.parts.ada import ada_augment
from steadygan.parts.augment import consistency_loss, diff_augment

__all__ = [
    "ada_augment", "bce_d_loss", "bce_d_loss_to", "began_d_loss", "category_information",
    "class_loss", "code_information", "consistency_loss", "d2gan_g_loss", "d2gan_value",
    "decoding_loss", "diff_augment", "discriminator_l2", "ebgan_d_loss",
    "energy_g_loss", "feature_matching_loss", "generator_l2", "gradient_penalty",
    "heads_d_loss", "heads_g_loss", "hinge_d_loss",
    "hinge_g_loss", "least_squares_d_loss", "least_squares_d_loss_to", "least_squares_g_loss",
    "lecam_loss", "lipschitz_penalty", "loss_sensitive_d_loss", "minimax_g_loss",
    "non_saturating_g_loss", "pair_distances", "pulling_away", "quadratic_potential",
    "r1_penalty", "r2_penalty", "ragan_d_loss", "ragan_g_loss", "reconstruction_loss",
    "rpgan_d_loss", "rpgan_g_loss", "unsupervised_loss", "wasserstein_d_loss",
    "wasserstein_divergence", "wasserstein_g_loss",
]  # fmt: skip
