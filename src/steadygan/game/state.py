"""Players (named groups of modules, each with one optimizer), the state of a game, and the result
of a step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar, cast

import torch
from torch import Tensor, nn

from steadygan.game.optimizers import Optimizer

if TYPE_CHECKING:
    from steadygan.game.context import StepContext

M = TypeVar("M", bound=nn.Module)


class Player:
    """A named group of modules that one optimizer moves.

    `modules` by name, e.g. {"generator": G} or {"discriminator": D, "q": Q}. `weights_of` names the
    player whose modules these are where it is a second optimizer on the same weights.
    """

    def __init__(
        self,
        name: str,
        modules: Mapping[str, nn.Module],
        optimizer: Optimizer,
        weights_of: str | None = None,
    ) -> None:
        self.name = name
        self.weights_of = weights_of
        self.modules = nn.ModuleDict(dict(modules))
        self.spec = optimizer
        self.parameter_names = [n for n, p in self.modules.named_parameters() if p.requires_grad]
        self.parameters = [p for p in self.modules.parameters() if p.requires_grad]
        self.optimizer = optimizer.build(self.parameters)

    def __getitem__(self, name: str) -> nn.Module:
        return self.modules[name]

    def named_parameters(self) -> dict[str, nn.Parameter]:
        """The parameters that the optimizer moves, by name, in its order."""
        return dict(zip(self.parameter_names, self.parameters, strict=True))

    def step(self, gradients: list[Tensor], settings: dict[str, object]) -> None:
        """One optimizer step along `gradients` (one a parameter), at the given settings."""
        for group in self.optimizer.param_groups:
            group.update(settings)
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            same = gradient.stride() == parameter.stride()
            parameter.grad = gradient if same else _laid_out_like(parameter, gradient)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)


def _laid_out_like(parameter: Tensor, gradient: Tensor) -> Tensor:
    """`gradient` with the strides of `parameter`, copied where it has others.

    torch's fused optimizers walk both through memory side by side, whatever their strides, and
    double backward gives transposed gradients of convolutions: uncopied, they move other weights.
    """
    return torch.empty_like(parameter).copy_(gradient)


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


@dataclass
class StepResult:
    """What one step of one player computed, before the optimizer moves a weight.

    `losses` are weighted scalars by part name; `gradients` one a parameter of the player.
    """

    player: Player
    context: StepContext
    losses: dict[str, Tensor]
    gradients: list[Tensor]
    gradient_norm: Tensor


#: Called with a result before the optimizer moves a weight; raises to stop with all as they are.
Guard = Callable[[StepResult], None]
