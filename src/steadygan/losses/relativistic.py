"""Relativistic objectives: D says how much more real a sample is than one of the other kind.

Jolicoeur-Martineau 2018, arXiv:1807.00734, section 4. Scores C(x), C(g) are raw, (B,) float32; only
their differences count, so no score is a threshold. G's losses read real scores too: its own batch
of real samples is judged in its update.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from torch import Tensor
from torch.nn.functional import softplus

from steadygan.game.objective import Objective

if TYPE_CHECKING:
    from steadygan.game.context import StepContext


def rpgan_d_loss(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """-E log sigmoid(C(x_i) - C(g_i)), in pairs of a batch; log 2 where D is undecided."""
    return softplus(fake_scores - real_scores).mean()


def rpgan_g_loss(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """-E log sigmoid(C(g_i) - C(x_i)), in pairs of a batch."""
    return softplus(real_scores - fake_scores).mean()


def ragan_d_loss(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """-(E log sigmoid(C(x) - E C(g)) + E log(1 - sigmoid(C(g) - E C(x)))) / 2; log 2 where D is
    undecided. The batch means are part of the graph, as in the author's code."""
    on_real = softplus(fake_scores.mean() - real_scores).mean()
    on_fake = softplus(fake_scores - real_scores.mean()).mean()
    return (on_real + on_fake) / 2


def ragan_g_loss(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """`ragan_d_loss` with the roles swapped: fakes are to score above the mean of real samples."""
    return ragan_d_loss(fake_scores, real_scores)


class RpGAN(Objective):
    """Relativistic pairs. Section 4.1; with R1 and R2 it is R3GAN's objective."""

    name = "rpgan"
    optimises: ClassVar = "relativistic JS divergence"
    threshold: ClassVar[float | None] = None
    in_context: ClassVar = ("g",)
    d_loss: ClassVar = staticmethod(rpgan_d_loss)

    def g_loss_in(self, context: StepContext) -> Tensor:
        return rpgan_g_loss(context.real_scores, context.fake_scores)


class RaGAN(Objective):
    """Relativistic average: each score against the mean of the other kind. Section 4.2."""

    name = "ragan"
    optimises: ClassVar = "relativistic average JS divergence"
    threshold: ClassVar[float | None] = None
    in_context: ClassVar = ("g",)
    reads_batch: ClassVar = True
    d_loss: ClassVar = staticmethod(ragan_d_loss)

    def g_loss_in(self, context: StepContext) -> Tensor:
        return ragan_g_loss(context.whole(context.real_scores), context.whole(context.fake_scores))
