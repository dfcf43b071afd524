"""Parts: what a recipe adds to its objective. A part that is not wanted is absent.

A part may add a loss to a player (penalties, information terms), act after a player's step
(constraints), or change how many steps a player takes (tricks). What it must remember between
steps lives in the module that `start` returns, so that one walk over modules saves it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from torch import Tensor, nn

from steadygan.spec import Spec

if TYPE_CHECKING:
    from steadygan.game.play import Play
    from steadygan.game.players import Player
    from steadygan.game.recipe import Recipe

Side = Literal["on_d", "on_g", "tricks"]


class Part(Spec):
    """Base of penalties, constraints and tricks."""

    #: The lists of a recipe that this part belongs in; `with_` and `--add` put it there.
    sides: ClassVar[tuple[Side, ...]] = ("on_d",)

    def misfit(self, recipe: Recipe) -> str | None:
        """Why this part cannot stand in `recipe`, in words, or None."""
        return None

    def advice(self, recipe: Recipe) -> str | None:
        """A warning in words where `recipe` and this part are known to go badly together."""
        return None

    def start(self) -> nn.Module | None:
        """The part's state, as a module whose buffers are all it remembers; None for none."""
        return None

    def loss(self, play: Play) -> Tensor | None:
        """What the part adds to the loss of the player that moves (weighted), or None."""
        return None

    def after_step(self, player: Player) -> None:
        """Act on a player's parameters right after its optimizer's step."""

    def steps(self, side: str, steps: int, turn: int) -> int:
        """How many steps player `side` takes in this turn, given what the recipe says."""
        return steps

    def signals(self, player: Player) -> dict[str, Tensor]:
        """Numbers worth a log line that follow from a player's parameters."""
        return {}
