"""What a step moves before the guard has passed it, and how it is put back.

Forwards move normalisation statistics and the states of parts before any weight moves. Small
buffers are copied before each step; a state of size (`Undoable`) takes its own changes back, so
no iteration costs by the size of a state.
"""

from __future__ import annotations

import torch
from torch import Tensor

from steadygan.game.buffers import Undoable
from steadygan.game.state import GameState


def undoable(state: GameState) -> list[Undoable]:
    """The states that take back their own changes."""
    return [module for module in state.part_states.modules() if isinstance(module, Undoable)]


def small_states(state: GameState) -> dict[str, Tensor]:
    """The buffers of all other states by name: copied, and watched, at each step."""
    own = {id(buffer) for module in undoable(state) for buffer in module.buffers()}
    return {f"states/{k}": b for k, b in state.part_states.named_buffers() if id(b) not in own}


class Undo:
    """The buffers of a game as they were before the step that is being computed."""

    def __init__(self) -> None:
        self._copies: dict[str, Tensor] = {}

    def begin(self, state: GameState) -> None:
        """Remember the buffers of `state` as they are now."""
        for module in undoable(state):
            module.begin_step()
        self._copies = {key: buffer.clone() for key, buffer in _copied(state).items()}

    @torch.no_grad()
    def back(self, state: GameState) -> None:
        """Put the buffers of `state` back, bit for bit, as they were at `begin`."""
        for module in undoable(state):
            module.undo_step()
        for key, buffer in _copied(state).items():
            buffer.copy_(self._copies[key])


def _copied(state: GameState) -> dict[str, Tensor]:
    """The buffers that are copied: those of the players' networks, and the small states."""
    of_players = {
        f"players/{name}/{key}": buffer
        for name, player in state.players.items()
        if not player.weights_of
        for key, buffer in player.modules.named_buffers()
    }
    return of_players | small_states(state)
