"""Objectives: what D and G minimise, as plain functions of raw scores and as named specs.

`real_scores` and `fake_scores` are D's raw outputs C(x), C(G(z)), shape (B,), float32. Every
function returns a scalar: the sum of its batch means. -log D = softplus(-C) and
-log(1 - D) = softplus(C), so no sigmoid and no log is ever taken of a probability.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import relu, softplus

from steadygan.game.objective import Objective


def bce_d_loss(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """-E log D(x) - E log(1 - D(g)), summed, not halved. Goodfellow et al. 2014, eq. 1."""
    return softplus(-real_scores).mean() + softplus(fake_scores).mean()


def bce_d_loss_to(
    real_scores: Tensor, fake_scores: Tensor, real_targets: Tensor, fake_targets: Tensor
) -> Tensor:
    """`bce_d_loss` for soft targets t in [0, 1] (1 says real): E[-t log D - (1 - t) log(1 - D)]."""
    real = torch.lerp(softplus(real_scores), softplus(-real_scores), real_targets)
    fake = torch.lerp(softplus(fake_scores), softplus(-fake_scores), fake_targets)
    return real.mean() + fake.mean()


def minimax_g_loss(fake_scores: Tensor) -> Tensor:
    """E log(1 - D(g)): saturates where D wins. Goodfellow et al. 2014, eq. 1."""
    return -softplus(fake_scores).mean()


def non_saturating_g_loss(fake_scores: Tensor) -> Tensor:
    """-E log D(g): keeps its gradient where D wins. Goodfellow et al. 2014, section 3."""
    return softplus(-fake_scores).mean()


def wasserstein_d_loss(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """E C(g) - E C(x); minus this is the Wasserstein estimate. Arjovsky et al. 2017, eq. 3."""
    return fake_scores.mean() - real_scores.mean()


def wasserstein_g_loss(fake_scores: Tensor) -> Tensor:
    """-E C(g). Arjovsky et al. 2017, Algorithm 1."""
    return -fake_scores.mean()


def hinge_d_loss(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """E max(0, 1 - C(x)) + E max(0, 1 + C(g)). Miyato et al. 2018, arXiv:1802.05957, eq. 16."""
    return relu(1.0 - real_scores).mean() + relu(1.0 + fake_scores).mean()


def hinge_g_loss(fake_scores: Tensor) -> Tensor:
    """-E C(g): not hinged, so G's slope never ends. Miyato et al. 2018, eq. 17."""
    return -fake_scores.mean()


class Minimax(Objective):
    """The game as written: both players on V(D, G). Goodfellow et al. 2014, eq. 1."""

    name = "minimax"
    optimises: ClassVar = "JS divergence"
    has_targets = True
    d_loss: ClassVar = staticmethod(bce_d_loss)
    g_loss: ClassVar = staticmethod(minimax_g_loss)
    d_loss_to: ClassVar = staticmethod(bce_d_loss_to)
    probability: ClassVar = staticmethod(torch.sigmoid)


class NonSaturating(Minimax):
    """Binary cross entropy with G on -log D(g). Goodfellow et al. 2014, section 3."""

    name = "ns"
    g_loss: ClassVar = staticmethod(non_saturating_g_loss)


class LinearNonSaturating(NonSaturating):
    """Binary cross entropy for D, -E C(g) for G: the "JS" loss of SAGAN's authors' code."""

    name = "ns-linear"
    g_loss: ClassVar = staticmethod(hinge_g_loss)


class Hinge(Objective):
    """The hinge loss of SNGAN's residual networks. Miyato et al. 2018, arXiv:1802.05957, eq. 16.

    D's best is sign(p_d - p_g), at a loss of 2 - 2 TV(p_d, p_g).
    """

    name = "hinge"
    optimises: ClassVar = "hinge loss (reverse KL)"
    d_loss: ClassVar = staticmethod(hinge_d_loss)
    g_loss: ClassVar = staticmethod(hinge_g_loss)


class Wasserstein(Objective):
    """The dual of the Wasserstein-1 distance, up to the critic's Lipschitz factor."""

    name = "wasserstein"
    signal_titles: ClassVar = {"wasserstein_estimate": "Wasserstein estimate"}
    optimises: ClassVar = "Wasserstein distance"
    threshold = None
    is_critic = True
    d_loss: ClassVar = staticmethod(wasserstein_d_loss)
    g_loss: ClassVar = staticmethod(wasserstein_g_loss)

    def signals(self, real_scores: Tensor, fake_scores: Tensor) -> dict[str, Tensor]:
        return {"wasserstein_estimate": real_scores.mean() - fake_scores.mean()}


class WassersteinLow(Wasserstein):
    """The Wasserstein objective with the sign turned: real samples score low. Wu et al. 2018."""

    name = "wasserstein-low"
    real_is_high = False

    def d_loss(self, real_scores: Tensor, fake_scores: Tensor) -> Tensor:
        return -wasserstein_d_loss(real_scores, fake_scores)

    def g_loss(self, fake_scores: Tensor) -> Tensor:
        return -wasserstein_g_loss(fake_scores)

    signal_titles: ClassVar = {"critic_gap": "critic's gap, E C(G(z)) - E C(x)"}

    def signals(self, real_scores: Tensor, fake_scores: Tensor) -> dict[str, Tensor]:
        """`critic_gap`: E C(g) - E C(x); no Wasserstein-1 estimate, as C is not 1-Lipschitz."""
        return {"critic_gap": fake_scores.mean() - real_scores.mean()}
