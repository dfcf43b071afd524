"""Tricks: parts that change how a step is taken, not what is minimised."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from steadygan.game.objective import Objective
from steadygan.game.part import Part

if TYPE_CHECKING:
    from steadygan.game.recipe import Recipe
    from steadygan.game.state import StepResult


class CriticWarmup(Part):
    """100 critic steps in each of the first 25 iterations and in every 500th.

    Arjovsky et al. 2017, the authors' training code: an early estimate of the Wasserstein
    distance is only worth following once the critic is near its optimum. It costs 2,500 critic
    steps before the first pictures.
    """

    name = "critic-warmup"
    sides: ClassVar = ("shared",)
    turns: int = Field(25, ge=0)
    every: int = Field(500, ge=1)
    d_steps: int = Field(100, ge=1)

    def incompatibility(self, recipe: Recipe) -> str | None:
        if recipe.objective.is_critic:
            return None
        critics = sorted(n for n, kind in Objective.members().items() if kind.is_critic)
        return (
            f"critic-warmup wants a critic, whose distance G follows, and objective "
            f"{recipe.objective.name} is none: {', '.join(critics)} are"
        )

    def steps(self, side: str, steps: int, iteration: int) -> int:
        warm = iteration < self.turns or iteration % self.every == 0
        return self.d_steps if side == "d" and warm else steps


class GradientClip(Part):
    """Every element of a gradient is clipped into [-value, value] before the optimizer's step.

    Chollet, "Deep Learning with Python", section 8.5 (`clipvalue=1.0` for D; here both players).
    What is logged is the norm before clipping. By value, so a gradient may change its direction.
    """

    name = "gradient-clip"
    sides: ClassVar = ("shared",)
    value: float = Field(1.0, gt=0)

    def adjust(self, result: StepResult) -> None:
        bound = self.value
        result.gradients[:] = [g.clamp(-bound, bound) for g in result.gradients]
