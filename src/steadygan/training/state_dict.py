"""The whole state of a running game as named tensors, and back: what a checkpoint holds."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from steadygan.errors import CheckpointError
from steadygan.game.player import Player
from steadygan.game.state import GameState
from steadygan.training.checkpoint import counters_of

Tensors = dict[str, Tensor]


def gather(state: GameState, counters: dict[str, int]) -> Tensors:
    """Every tensor of the game by `group/key`; see `groups` for the groups."""
    found: Tensors = {}
    for name, module in state.networks().items():
        found |= {f"{name}/{key}": value for key, value in module.state_dict().items()}
    for name, player in state.players.items():
        found |= {f"optimizers/{name}/{key}": v for key, v in player.optimizer_tensors().items()}
    found |= {f"counters/{key}": torch.tensor(value) for key, value in counters.items()}
    return found


def groups(names: Iterable[str]) -> list[str]:
    """The groups that tensor names fall into: players/d, optimizers/g, average, counters, ..."""
    two_deep = ("players", "optimizers")
    found = {"/".join(n.split("/")[: 2 if n.split("/")[0] in two_deep else 1]) for n in names}
    return sorted(found)


def restore(state: GameState, tensors: Tensors) -> dict[str, int]:
    """Put gathered tensors back in place, bit for bit; the counters.

    Raises `CheckpointError` when a tensor is missing, left over, or of another shape or type.
    """
    left = dict(tensors)
    for name, module in state.networks().items():
        restore_module(module, _take(left, f"{name}/"), name)
    for name, player in state.players.items():
        _restore_optimizer(player, _take(left, f"optimizers/{name}/"))
    counters = counters_of(tensors)
    _take(left, "counters/")
    if left:
        raise CheckpointError(f"the checkpoint holds {next(iter(left))}, which this game has not")
    return counters


def _take(tensors: Tensors, prefix: str) -> Tensors:
    """Remove and return the tensors under `prefix`, without it."""
    names = [name for name in tensors if name.startswith(prefix)]
    return {name.removeprefix(prefix): tensors.pop(name) for name in names}


@torch.no_grad()
def restore_module(module: torch.nn.Module, saved: Tensors, where: str) -> None:
    """Put saved tensors back into a module, bit for bit; `CheckpointError` where one is missing,
    left over, or of another shape or type."""
    here = module.state_dict()
    if odd := sorted(set(here) ^ set(saved)):
        raise CheckpointError(f"the checkpoint and network {where} differ in {odd[0]}")
    for key, value in here.items():
        if value.shape != saved[key].shape or value.dtype != saved[key].dtype:
            raise CheckpointError(
                f"{where}/{key} is {tuple(saved[key].shape)} {saved[key].dtype} in the checkpoint "
                f"and {tuple(value.shape)} {value.dtype} in this game"
            )
        value.copy_(saved[key])


def _restore_optimizer(player: Player, saved: Tensors) -> None:
    player.optimizer.state.clear()
    parameters = player.named_parameters()
    _require_state(player, saved)
    for name, value in saved.items():
        parameter_name, _, key = name.rpartition("/")
        parameter = parameters[parameter_name]
        # Moments lie in memory as their parameter does. torch keeps the step counter of a fused or
        # capturable optimizer on the parameter's device, that of another on the CPU.
        group = player.optimizer.param_groups[0]
        fused = group.get("fused") or group.get("capturable")
        if value.shape == parameter.shape:
            own = torch.empty_like(parameter).copy_(value)
        else:
            own = value.to(parameter.device if fused else "cpu", copy=True)
        player.optimizer.state[parameter][key] = own


def _require_state(player: Player, saved: Tensors) -> None:
    """Refuse optimizer tensors that a step of this player would not take: all of its parameters
    have the same ones, or none has any."""
    if not saved:
        return
    parameters = player.named_parameters()
    known = _state_of_one(player)
    wanted = {f"{name}/{key}" for name in parameters for key in known}
    if odd := sorted(wanted ^ set(saved)):
        raise CheckpointError(f"the checkpoint and player {player.name}'s optimizer differ in "
                              f"{odd[0]}")  # fmt: skip
    for name, value in saved.items():
        parameter_name, _, key = name.rpartition("/")
        shape = parameters[parameter_name].shape if known[key].shape else ()
        if value.shape != shape or value.dtype != known[key].dtype:
            raise CheckpointError(
                f"optimizers/{player.name}/{name} is {tuple(value.shape)} {value.dtype} in the "
                f"checkpoint and {tuple(shape)} {known[key].dtype} in this game"
            )


def _state_of_one(player: Player) -> Tensors:
    """What the player's optimizer keeps of a parameter (2,), found by steps of one that is all
    zeros: at the settings of the start and of the end of the horizon, since momentum may be 0 at
    one of them."""
    parameter = torch.nn.Parameter(torch.zeros(2))
    optimizer = player.spec.build([parameter])
    for images in (0, 1):
        for group in optimizer.param_groups:
            group.update(player.spec.settings(images, 1, 1))
        parameter.grad = torch.zeros(2)
        optimizer.step()
    return {k: v for k, v in optimizer.state[parameter].items() if isinstance(v, Tensor)}


def size_in_bytes(state: GameState) -> int:
    """About how large a checkpoint is once every optimizer has its moments."""
    modules = sum(
        value.numel() * value.element_size()
        for module in state.networks().values()
        for value in module.state_dict().values()
    )
    moments = sum(
        p.numel() * p.element_size() * player.spec.moments
        for player in state.players.values()
        for p in player.parameters
    )
    return modules + moments
