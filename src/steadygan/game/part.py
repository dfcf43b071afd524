"""Parts: what a recipe adds to its objective. A part that is not wanted is absent.

A part may add a loss to a player (penalties, information terms), act after a player's step
(constraints), change what D sees or is asked for, modify a network before training, or change how
many steps a player takes (shared). What it must remember between steps lives in the module that
`start` returns, so that one walk over modules saves it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Literal

from torch import Tensor, nn

from steadygan.spec import Spec

if TYPE_CHECKING:
    from steadygan.game.context import Kind, StepContext
    from steadygan.game.player import Player
    from steadygan.game.recipe import Recipe
    from steadygan.game.state import GameState, StepResult

Side = Literal["on_d", "on_g", "shared"]


class Part(Spec):
    """Base of penalties, constraints and what both players share."""

    #: The lists of a recipe that this part belongs in; `with_` and `--add` put it there.
    sides: ClassVar[tuple[Side, ...]] = ("on_d",)
    #: True for parts that change D's targets; they want an objective that has targets.
    sets_targets: ClassVar[bool] = False
    #: True for parts that read D's features; they want a D that has some.
    reads_features: ClassVar[bool] = False
    #: The kinds of samples at which it reads D's gradient in D's step
    #: (`StepContext.input_gradient`).
    input_gradients: ClassVar[tuple[Kind, ...]] = ()
    #: True for penalties that ask D for a certain slope, as normalisation does.
    sets_slope: ClassVar[bool] = False
    #: Parts modify networks in this order; 1 sees what those of 0 have made.
    modify_order: ClassVar[int] = 0
    #: The fields that its state or the modified layers are made with: a run cannot change them.
    fixed: ClassVar[tuple[str, ...]] = ()

    #: Why a run with it is of one process, in words; None where several compute the same.
    one_process: ClassVar[str | None] = None

    #: What the game minimises with this part on D, where it is no longer what the objective says.
    optimises: ClassVar[str] = ""
    #: What its signals are called in reports, by key; others are shown by their key.
    signal_titles: ClassVar[Mapping[str, str]] = MappingProxyType({})

    @property
    def reads_batch(self) -> bool:
        """True where it reads a batch as a whole: `StepContext.whole`, or a state that does."""
        return False

    def incompatibility(self, recipe: Recipe) -> str | None:
        """Why this part cannot stand in `recipe`, in words, or None."""
        return None

    def incompatibility_with_data(self, shape: tuple[int, ...]) -> str | None:
        """Why this part cannot train on samples of `shape`, in words, or None."""
        return None

    def advice(self, recipe: Recipe) -> str | None:
        """A warning in words where `recipe` and this part are known to go badly together."""
        return None

    def modify_networks(self, networks: dict[str, nn.Module]) -> None:
        """Change freshly built networks (by name, in place) before players are made of them.

        Raises ValueError where it cannot."""

    def start(self, state: GameState) -> nn.Module | None:
        """The part's state, as a module whose buffers are all it remembers; None for none.

        `state` has its players (and `shape`, that of one sample), but no states yet."""
        return None

    def fakes_for_d(self, context: StepContext, fake: Tensor) -> Tensor:
        """The fakes that D is given in its step, in the place of `fake` (B, ...)."""
        return fake

    def augment(self, context: StepContext, samples: Tensor, kind: Kind) -> Tensor:
        """What D sees of `samples` (B, ...), in both players' steps and for the log's held-out
        scores: noised, augmented. Forwards for penalties see samples as they are."""
        return samples

    def targets(self, context: StepContext, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """D's targets (B,) for real and fake scores, in [0, 1]; 1 says real. Only parts with
        `sets_targets` are asked."""
        return real, fake

    def loss(self, context: StepContext) -> Tensor | None:
        """What the part adds to the loss of the context's player (weighted), or None."""
        return None

    def adjust(self, result: StepResult) -> None:
        """Change a step's gradients in place before the optimizer's step."""

    def after_step(self, player: Player, state: GameState) -> None:
        """Act on a player's parameters right after its optimizer's step."""

    def steps(self, side: str, steps: int, iteration: int) -> int:
        """How many steps player `side` takes in this iteration, given what the recipe says."""
        return steps

    def signals(self, player: Player) -> dict[str, Tensor]:
        """Numbers worth a log line that follow from a player's parameters."""
        return {}
