"""The whole state of a running game as named tensors, and back: what a checkpoint holds."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from steadygan.errors import CheckpointError
from steadygan.game.players import Player, Table

Tensors = dict[str, Tensor]


def gather(table: Table, counters: dict[str, int]) -> Tensors:
    """Every tensor of the game by `group/key`; see `groups` for the groups."""
    found: Tensors = {}
    for name, module in table.networks().items():
        found |= {f"{name}/{key}": value for key, value in module.state_dict().items()}
    for name, player in table.players.items():
        found |= {f"optimizers/{name}/{key}": v for key, v in optimizer_tensors(player).items()}
    found |= {f"counters/{key}": torch.tensor(value) for key, value in counters.items()}
    return found


def groups(names: Iterable[str]) -> list[str]:
    """The groups that tensor names fall into: players/d, optimizers/g, average, counters, ..."""
    two_deep = ("players", "optimizers")
    found = {"/".join(n.split("/")[: 2 if n.split("/")[0] in two_deep else 1]) for n in names}
    return sorted(found)


def restore(table: Table, tensors: Tensors) -> dict[str, int]:
    """Put gathered tensors back in place, bit for bit; the counters.

    Raises `CheckpointError` when a tensor is missing, left over, or of another shape or type.
    """
    left = dict(tensors)
    for name, module in table.networks().items():
        _restore_module(module, _take(left, f"{name}/"), name)
    for name, player in table.players.items():
        _restore_optimizer(player, _take(left, f"optimizers/{name}/"))
    counters = {key: int(value) for key, value in _take(left, "counters/").items()}
    if left:
        raise CheckpointError(f"the checkpoint holds {next(iter(left))}, which this game has not")
    return counters


def _take(tensors: Tensors, prefix: str) -> Tensors:
    """Remove and return the tensors under `prefix`, without it."""
    names = [name for name in tensors if name.startswith(prefix)]
    return {name.removeprefix(prefix): tensors.pop(name) for name in names}


@torch.no_grad()
def _restore_module(module: torch.nn.Module, saved: Tensors, where: str) -> None:
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


def optimizer_tensors(player: Player) -> Tensors:
    """The tensors of a player's optimizer as `parameter/key`; none before its first step."""
    return {
        f"{name}/{key}": value
        for name, parameter in player.named_parameters().items()
        for key, value in player.optimizer.state.get(parameter, {}).items()
        if isinstance(value, Tensor)
    }


def _restore_optimizer(player: Player, saved: Tensors) -> None:
    player.optimizer.state.clear()
    parameters = player.named_parameters()
    for name, value in saved.items():
        parameter_name, _, key = name.rpartition("/")
        if parameter_name not in parameters:
            raise CheckpointError(f"player {player.name} has no parameter {parameter_name}")
        parameter = parameters[parameter_name]
        # Moments lie in memory as their parameter does. torch keeps the step counter of a fused
        # optimizer on the parameter's device, that of another on the CPU.
        fused = player.optimizer.param_groups[0].get("fused")
        if value.shape == parameter.shape:
            own = torch.empty_like(parameter).copy_(value)
        else:
            own = value.to(parameter.device if fused else "cpu", copy=True)
        player.optimizer.state[parameter][key] = own


def size_in_bytes(table: Table) -> int:
    """About how large a checkpoint is once every optimizer has its moments."""
    modules = sum(
        value.numel() * value.element_size()
        for module in table.networks().values()
        for value in module.state_dict().values()
    )
    moments = sum(
        p.numel() * p.element_size() * player.spec.moments
        for player in table.players.values()
        for p in player.parameters
    )
    return modules + moments
