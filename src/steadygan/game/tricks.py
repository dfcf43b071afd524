"""Tricks: parts that change how the game is played, not what is minimised."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from steadygan.game.objectives import Objective
from steadygan.game.parts import Part

if TYPE_CHECKING:
    from steadygan.game.players import Update
    from steadygan.game.recipe import Recipe


class CriticWarmup(Part):
    """100 critic steps in each of the first 25 turns and in every 500th.

    Arjovsky et al. 2017, the authors' training code: an early estimate of the Wasserstein
    distance is only worth following once the critic is near its optimum. It costs 2,500 critic
    steps before the first pictures.
    """

    name = "critic-warmup"
    sides: ClassVar = ("tricks",)
    turns: int = Field(25, ge=0)
    every: int = Field(500, ge=1)
    d_steps: int = Field(100, ge=1)

    def misfit(self, recipe: Recipe) -> str | None:
        if recipe.objective.is_critic:
            return None
        critics = sorted(n for n, kind in Objective.members().items() if kind.is_critic)
        return (
            f"critic-warmup wants a critic, whose distance G follows, and objective "
            f"{recipe.objective.name} is none: {', '.join(critics)} are"
        )

    def steps(self, side: str, steps: int, turn: int) -> int:
        warm = turn < self.turns or turn % self.every == 0
        return self.d_steps if side == "d" and warm else steps


class GradientClip(Part):
    """Every element of a gradient is clipped into [-value, value] before the optimizer's step.

    Chollet, "Deep Learning with Python", section 8.5 (`clipvalue=1.0` for D; here both players).
    What is logged is the norm before clipping. By value, so a gradient may change its direction.
    """

    name = "gradient-clip"
    sides: ClassVar = ("tricks",)
    value: float = Field(1.0, gt=0)

    def adjust(self, update: Update) -> None:
        bound = self.value
        update.gradients[:] = [g.clamp(-bound, bound) for g in update.gradients]
