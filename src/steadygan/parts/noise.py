"""Noise on what D sees, annealed away."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field
from torch import Tensor

from steadygan.game.draws import normal
from steadygan.game.part import Part

if TYPE_CHECKING:
    from steadygan.game.context import Kind, StepContext


class InstanceNoise(Part):
    """x + sigma N(0, I) on real and fake samples before D, in the updates of both players.

    Sonderby et al. 2017, arXiv:1610.04490 ("instance noise"), and Arjovsky & Bottou
    2017, arXiv:1701.04862, section 3: noise gives the two distributions a common support, so that D
    cannot tell them apart without error. sigma falls in a straight line from `sigma` to
    `sigma_end` over the recipe's horizon. The first value is ours (the sources vary from .1 to .2).
    Real, fake and held-out samples have draws of their own; what a penalty looks at is not noised.
    """

    name = "instance-noise"
    sides: ClassVar = ("shared",)
    sigma: float = Field(0.1, ge=0)
    sigma_end: float = Field(0.0, ge=0)

    def sigma_at(self, progress: float) -> float:
        """The standard deviation when a share `progress` of the horizon is behind."""
        return self.sigma + (self.sigma_end - self.sigma) * progress

    def augment(self, context: StepContext, samples: Tensor, kind: Kind) -> Tensor:
        if self.sigma == self.sigma_end == 0:
            return samples
        sigma = context.follow(self.sigma_at)
        stream = context.generator(f"instance noise {kind}")
        noise = normal(tuple(samples.shape), stream).to(samples.device)
        return samples + sigma * noise
