"""Players: named groups of modules, each with one optimizer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from steadygan.game.optimizers import Optimizer


class Player:
    """A named group of modules that one optimizer moves.

    `modules` by name, e.g. {"generator": G} or {"discriminator": D, "q": Q}. `weights_of` names the
    player whose modules these are where it is a second optimizer on the same weights.
    """

    def __init__(
        self,
        name: str,
        modules: dict[str, nn.Module],
        optimizer: Optimizer,
        weights_of: str | None = None,
    ) -> None:
        self.name = name
        self.weights_of = weights_of
        self.modules = nn.ModuleDict(modules)
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
            parameter.grad = _laid_out_like(parameter, gradient)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)


def _laid_out_like(parameter: Tensor, gradient: Tensor) -> Tensor:
    """`gradient` with the strides of `parameter`, copied where it has others.

    torch's fused optimizers walk both through memory side by side, whatever their strides, and
    double backward gives transposed gradients of convolutions: uncopied, they move other weights.
    """
    if gradient.stride() == parameter.stride():
        return gradient
    return torch.empty_like(parameter).copy_(gradient)


@dataclass
class Table:
    """Everything that a running game consists of: what sits at the table.

    `players` by name, `average` the EMA generator, `shape` that of one sample, `states` the modules
    that parts remember in, `frozen` the modules that nobody moves.
    """

    players: dict[str, Player]
    average: nn.Module
    shape: tuple[int, ...] = ()
    states: nn.ModuleDict = field(default_factory=nn.ModuleDict)
    frozen: nn.ModuleDict = field(default_factory=nn.ModuleDict)

    @property
    def generator(self) -> nn.Module:
        return self.players["g"]["generator"]

    @property
    def discriminator(self) -> nn.Module:
        return self.players["d"]["discriminator"]

    def networks(self) -> dict[str, nn.Module]:
        """Every module of the game by a stable name; a walk over these sees every tensor."""
        found = {f"players/{n}": p.modules for n, p in self.players.items() if not p.weights_of}
        return {**found, "average": self.average, "states": self.states, "frozen": self.frozen}

    def to(self, device: torch.device, memory_format: torch.memory_format) -> None:
        """Move all modules in place; parameters keep their identity, so optimizers hold."""
        for module in self.networks().values():
            module.to(device=device, memory_format=memory_format)


@dataclass
class Update:
    """What one update of one player saw and made, before its step is taken.

    `losses` are weighted scalars by part name; `gradients` one a parameter of the player.
    """

    player: Player
    play: object
    losses: dict[str, Tensor]
    gradients: list[Tensor]
    gradient_norm: Tensor


#: Called with an update right before its step; raises to stop the game with all weights whole.
BeforeStep = Callable[[Update], None]
