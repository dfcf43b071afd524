"""Tricks that soften or disturb the targets of D's loss.

A target is what D is asked to say of a sample, in [0, 1]; 1 says real. The parts here act on D's
update alone, in the order in which they stand in the recipe; G is always asked for 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from steadygan.game.draws import uniform
from steadygan.game.part import Part

if TYPE_CHECKING:
    from steadygan.game.context import StepContext


def noisy_targets(
    targets: Tensor, amount: float, generator: torch.Generator | None = None
) -> Tensor:
    """clip(t - amount U(0, 1), 0, 1), a draw for each of `targets` (B,)."""
    noise = uniform(tuple(targets.shape), generator).to(targets)
    return (targets - amount * noise).clamp(0.0, 1.0)


def flipped_targets(
    targets: Tensor, probability: float, generator: torch.Generator | None = None
) -> Tensor:
    """1 - t with `probability`, t otherwise, independently for each of `targets` (B,)."""
    chosen = uniform(tuple(targets.shape), generator).to(targets) < probability
    return torch.where(chosen, 1.0 - targets, targets)


class TargetTrick(Part):
    """Base of parts on D's targets: they want an objective that has some."""

    sides: ClassVar = ("shared",)
    sets_targets: ClassVar = True


class LabelSmoothing(TargetTrick):
    """One-sided: real targets are multiplied by `real`, so 1 becomes .9; fakes are never smoothed.

    Salimans et al. 2016, arXiv:1606.03498, section 3.4: smoothing fakes as well would hold fakes
    where they are, wherever p_g is large and p_d small.
    """

    name = "label-smoothing"
    real: float = Field(0.9, gt=0, le=1)

    def targets(self, context: StepContext, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        return self.real * real, fake


class LabelNoise(TargetTrick):
    """Targets move by `amount` U(0, 1) and are clipped into [0, 1].

    Chollet, "Deep Learning with Python", section 8.5: `labels += 0.05 * uniform(0, 1)` on both
    kinds, where 1 says fake and 0 real. Here 1 says real, so the same noise is subtracted: a real
    target 1 becomes 1 - .05 U. The book lets fake labels rise to 1.05, which leaves D's loss
    without a lower bound; clipped, they stay what they were, and only real targets move.
    """

    name = "label-noise"
    amount: float = Field(0.05, ge=0, le=1)

    def targets(self, context: StepContext, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        stream = context.generator("label noise")
        noisy = noisy_targets(real, self.amount, stream)
        return noisy, noisy_targets(fake, self.amount, stream)


class LabelFlip(TargetTrick):
    """Each target t of D, real or fake, is 1 - t with `probability`.

    Chintala et al. 2016, "How to Train a GAN?" (ganhacks), item 6: "occasionally flip the labels".
    No rate is given there; .05 is ours.
    """

    name = "label-flip"
    probability: float = Field(0.05, ge=0, le=1)

    def targets(self, context: StepContext, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        stream = context.generator("label flip")
        flipped = flipped_targets(real, self.probability, stream)
        return flipped, flipped_targets(fake, self.probability, stream)
