"""The state of a game, and the result of a step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from steadygan.game.optimizers import Followed, followed
from steadygan.game.player import Player

if TYPE_CHECKING:
    from steadygan.game.context import StepContext

M = TypeVar("M", bound=nn.Module)


@dataclass
class GameState:
    """Everything that a game in training consists of.

    `players` by name, `g_ema` the moving average of G that samples are drawn from, `shape` that of
    one sample, `part_states` the modules in which parts keep what they remember between steps.
    """

    players: dict[str, Player]
    g_ema: nn.Module
    shape: tuple[int, ...] = ()
    part_states: nn.ModuleDict = field(default_factory=nn.ModuleDict)

    @cached_property
    def averaged(self) -> Followed:
        """The tensors that the average's update moves, with those of G that they follow."""
        return followed(self.g_ema, self.generator)

    @cached_property
    def running_statistics(self) -> list[Tensor]:
        """Running means and variances of all batch norm layers of the players."""
        layers = (m for p in self.players.values() for m in p.modules.modules())
        return [
            buffer
            for layer in layers
            if isinstance(layer, _BatchNorm)
            for buffer in (layer.running_mean, layer.running_var)
            if buffer is not None
        ]

    @property
    def generator(self) -> nn.Module:
        return self.players["g"]["generator"]

    @property
    def discriminator(self) -> nn.Module:
        return self.players["d"]["discriminator"]

    def part_state(self, name: str, kind: type[M]) -> M:
        """The state that part `name` has made, which is of the class `kind`."""
        return cast(M, self.part_states[name])

    def networks(self) -> dict[str, nn.Module]:
        """Every module of the game by a stable name; a walk over these sees every tensor."""
        found = {f"players/{n}": p.modules for n, p in self.players.items() if not p.weights_of}
        return {**found, "average": self.g_ema, "states": self.part_states}

    def to(self, device: torch.device, memory_format: torch.memory_format) -> None:
        """Move all modules in place; parameters keep their identity, so optimizers hold."""
        for module in self.networks().values():
            # torch's stubs do not know memory_format.
            module.to(device=device, memory_format=memory_format)  # type: ignore[call-overload]
        if device.type == "cuda":
            for player in self.players.values():
                player.hold_rate_on(device)


@dataclass
class StepResult:
    """What one step of one player computed, before the optimizer moves a weight.

    `losses` are weighted scalars by part name; `gradients` one a parameter of the player. In a run
    of several processes both are those of the whole batch, and `drawn` is finite only where what
    all of them drew and made is.
    """

    player: Player
    context: StepContext
    losses: dict[str, Tensor]
    gradients: list[Tensor]
    gradient_norm: Tensor
    drawn: Tensor | None = None


#: Called with a result before the optimizer moves a weight; raises to stop with all as they are.
Guard = Callable[[StepResult], None]


class Undoable(nn.Module):
    """A part's state that takes back by itself what a step has done to it.

    The guard of the training loop copies the buffers of every other state before each step, so
    that it can restore them where the step fails. A state that is large, or that a step moves
    only after the guard has passed it, derives from this class instead: nothing of it is copied.
    """

    def begin_step(self) -> None:
        """A step begins: what `undo_step` restores is the state as it is now."""
        raise NotImplementedError

    def undo_step(self) -> None:
        """Restore, bit for bit, the state at the last `begin_step`."""
        raise NotImplementedError
