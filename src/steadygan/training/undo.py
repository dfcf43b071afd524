"""What an update moves before the guard has passed it, and how it is put back.

Forwards move normalisation statistics and the states of parts before any weight moves. Small
buffers are copied before each update; a state of size (`Undoable`) takes its own changes back, so
no iteration costs by the size of a state.
"""

from __future__ import annotations

import torch
from torch import Tensor

from steadygan.game.buffers import Undoable
from steadygan.game.players import Table


def undoable(table: Table) -> list[Undoable]:
    """The states that take back their own changes."""
    return [module for module in table.states.modules() if isinstance(module, Undoable)]


def small_states(table: Table) -> dict[str, Tensor]:
    """The buffers of all other states by name: copied, and watched, at each update."""
    own = {id(buffer) for module in undoable(table) for buffer in module.buffers()}
    return {f"states/{k}": b for k, b in table.states.named_buffers() if id(b) not in own}


class Undo:
    """The buffers of a game as they were before the update that is being played."""

    def __init__(self) -> None:
        self._copies: dict[str, Tensor] = {}

    def begin(self, table: Table) -> None:
        """Remember the buffers of `table` as they are now."""
        for module in undoable(table):
            module.begin_update()
        self._copies = {key: buffer.clone() for key, buffer in _copied(table).items()}

    @torch.no_grad()
    def back(self, table: Table) -> None:
        """Put the buffers of `table` back, bit for bit, as they were at `begin`."""
        for module in undoable(table):
            module.undo_update()
        for key, buffer in _copied(table).items():
            buffer.copy_(self._copies[key])


def _copied(table: Table) -> dict[str, Tensor]:
    """The buffers that are copied: those of the players' networks, and the small states."""
    of_players = {
        f"players/{name}/{key}": buffer
        for name, player in table.players.items()
        if not player.weights_of
        for key, buffer in player.modules.named_buffers()
    }
    return of_players | small_states(table)
