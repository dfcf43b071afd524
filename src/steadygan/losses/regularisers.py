"""Regularisers that remember: a player's scores or weights are held near their running means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, cast

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import relu

from steadygan.game.part import Part
from steadygan.game.state import Undoable

if TYPE_CHECKING:
    from steadygan.game.context import StepContext
    from steadygan.game.player import Player
    from steadygan.game.state import GameState


# ---- LeCam ---------------------------------------------------------------------------------


def lecam_loss(
    real_scores: Tensor,
    fake_scores: Tensor,
    real_anchor: Tensor | float,
    fake_anchor: Tensor | float,
    *,
    rectified: bool = False,
) -> Tensor:
    """E (C(x) - a_F)^2 + E (C(g) - a_R)^2. Tseng et al. 2021, section 3, unweighted.

    Scores (B,) raw; a_R and a_F are running means of C(x) and C(g). `rectified` is the authors'
    code: each difference C(x) - a_F and a_R - C(g) counts only where it is above 0.
    """
    above, below = real_scores - fake_anchor, real_anchor - fake_scores
    if rectified:
        above, below = relu(above), relu(below)
    return above.square().mean() + below.square().mean()


class Anchors(nn.Module):
    """Exponential averages of D's mean scores, `real` and `fake`; both begin at the first batch."""

    real: Tensor
    fake: Tensor
    begun: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("real", torch.zeros(()))
        self.register_buffer("fake", torch.zeros(()))
        self.register_buffer("begun", torch.zeros(()))

    @torch.no_grad()
    def follow(self, real_scores: Tensor, fake_scores: Tensor, decay: float) -> None:
        """a <- decay a + (1 - decay) mean."""
        step = 1.0 - decay * self.begun
        self.real.lerp_(real_scores.mean(), step)
        self.fake.lerp_(fake_scores.mean(), step)
        self.begun.fill_(1.0)


class LeCam(Part):
    """lambda (E (C(x) - a_F)^2 + E (C(g) - a_R)^2) in D's update, for training on few images.

    Tseng et al. 2021, arXiv:2104.03310, section 3; the anchors a are exponential averages with
    decay .99. They take in a batch before it is judged by them, as in the authors' code,
    which also waits 1,000 steps before the penalty sets in; here it acts from the start. lambda =
    .3 is theirs for BigGAN.
    """

    name = "lecam"
    sides: ClassVar = ("on_d",)
    weight: float = Field(0.3, ge=0)
    decay: float = Field(0.99, ge=0, lt=1)
    rectified: bool = False

    @property
    def reads_batch(self) -> bool:
        return True

    def start(self, state: GameState) -> nn.Module:
        return Anchors()

    def loss(self, context: StepContext) -> Tensor:
        anchors = context.state.part_state(self.name, Anchors)
        real, fake = context.whole(context.real_scores), context.whole(context.fake_scores)
        anchors.follow(real, fake, self.decay)
        context.signals |= {
            f"lecam_anchor_{k}": getattr(anchors, k).clone() for k in ("real", "fake")
        }
        sign = 1.0 if context.recipe.objective.real_is_high else -1.0
        means = sign * anchors.real, sign * anchors.fake
        loss = lecam_loss(sign * real, sign * fake, *means, rectified=self.rectified)
        return self.weight * loss


# ---- historical averaging ------------------------------------------------------------------


def history_distance(parameters: Sequence[Tensor], means: Sequence[Tensor]) -> Tensor:
    """||theta - mean||_2^2 over all `parameters`; `means` are constants of the same shapes."""
    pairs = zip(parameters, means, strict=True)
    return torch.stack([(p - mean).square().sum() for p, mean in pairs]).sum()


class RunningMeans(Undoable):
    """The mean of a player's parameters over the start and every step since, as buffers.

    It moves after the player's step alone, when the guard has passed the update: an update that
    fails has moved nothing here."""

    steps: Tensor

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        super().__init__()
        self.register_buffer("steps", torch.ones(()))
        for i, parameter in enumerate(parameters):
            self.register_buffer(f"mean{i}", parameter.detach().clone())

    @property
    def means(self) -> list[Tensor]:
        return [buffer for name, buffer in self.named_buffers() if name != "steps"]

    @torch.no_grad()
    def take_in(self, parameters: Sequence[Tensor]) -> None:
        """mean <- mean + (theta - mean) / t, with t one more than before."""
        self.steps += 1
        for mean, parameter in zip(self.means, parameters, strict=True):
            mean += (parameter - mean) / self.steps

    def begin_step(self) -> None:
        pass

    def undo_step(self) -> None:
        pass


class HistoricalAveraging(Part):
    """lambda ||theta - (1/t) sum_i theta_i||^2 on the parameters of both players.

    Salimans et al. 2016, arXiv:1606.03498, section 3.3. theta_1 is the start, and each step adds
    one. The paper gives no weight.
    """

    name = "historical-averaging"
    sides: ClassVar = ("on_d", "on_g")
    weight: float = Field(1.0, ge=0)

    def start(self, state: GameState) -> nn.Module:
        players = (state.players[name] for name in ("d", "g"))
        return nn.ModuleDict({player.name: RunningMeans(player.parameters) for player in players})

    def loss(self, context: StepContext) -> Tensor:
        player = context.state.players[context.player]
        means = self._means(context.state, context.player).means
        distance = history_distance(player.parameters, means)
        context.signals[f"{context.player}_history_distance"] = distance.detach()
        return self.weight * distance

    def after_step(self, player: Player, state: GameState) -> None:
        self._means(state, player.name).take_in(player.parameters)

    def _means(self, state: GameState, player: str) -> RunningMeans:
        return cast(RunningMeans, state.part_state(self.name, nn.ModuleDict)[player])
