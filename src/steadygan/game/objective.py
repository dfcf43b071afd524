"""Objective: what D and G minimise, as a named spec. Its families are in `losses/`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from torch import Tensor

from steadygan.spec import Spec

if TYPE_CHECKING:
    from steadygan.game.context import StepContext
    from steadygan.game.recipe import Recipe


class Objective(Spec):
    """The two losses of a game: `d_loss` and `g_loss` of the scores. Where scores are not all that
    a player's loss reads, `in_context` names the player and `d_loss_in` or `g_loss_in` gives it."""

    #: True where D is asked for targets, which parts may soften: then `d_loss_to` is there.
    has_targets: ClassVar[bool] = False
    real_is_high: ClassVar[bool] = True
    #: The score at which D is undecided; None where no score is, so that D has no accuracy.
    threshold: ClassVar[float | None] = 0.0
    #: True for a critic: G follows the distance that D estimates, the better the nearer D is to its
    #: optimum. Other objectives without a threshold (energies, relativistic ones) are none.
    is_critic: ClassVar[bool] = False
    #: True where a loss is no mean over samples of functions of their own scores (or over pairs of
    #: one place): several processes then gather the scores of the whole batch.
    reads_batch: ClassVar[bool] = False
    #: The players ("d", "g") whose loss reads a step's context: samples, features, or real scores
    #: in G's step.
    in_context: ClassVar[tuple[str, ...]] = ()

    #: What the game minimises between the two distributions, as papers' tables put it.
    optimises: ClassVar[str] = ""
    #: What its signals are called in reports, by key; others are shown by their key.
    signal_titles: ClassVar[Mapping[str, str]] = MappingProxyType({})

    def incompatibility(self, recipe: Recipe) -> str | None:
        """Why this objective cannot be that of `recipe`, in words, or None."""
        return None

    def d_loss(self, real_scores: Tensor, fake_scores: Tensor, /) -> Tensor:
        """What D minimises. Scores (B,) each; a scalar."""
        raise NotImplementedError(
            f"{type(self).__name__} gives no d_loss(real_scores, fake_scores)"
        )

    def g_loss(self, fake_scores: Tensor, /) -> Tensor:
        """What G minimises. Scores (B,); a scalar."""
        raise NotImplementedError(f"{type(self).__name__} gives no g_loss(fake_scores)")

    def d_loss_to(
        self, real_scores: Tensor, fake_scores: Tensor, real_targets: Tensor, fake_targets: Tensor
    ) -> Tensor:
        """What D minimises for targets (B,) in [0, 1]; 1 says real."""
        raise NotImplementedError

    def d_loss_in(self, context: StepContext) -> Tensor:
        """What D minimises in its step; a scalar."""
        raise NotImplementedError

    def g_loss_in(self, context: StepContext) -> Tensor:
        """What G minimises in its step; a scalar."""
        raise NotImplementedError

    def probability(self, scores: Tensor, /) -> Tensor | None:
        """D(x) in [0, 1] for raw scores, or None where scores are no log-odds."""
        return None

    def signals(self, real_scores: Tensor, fake_scores: Tensor) -> dict[str, Tensor]:
        """Numbers worth a log line that follow from the scores of a D update."""
        return {}
