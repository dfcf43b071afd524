"""The guard against non-finite numbers: it stops a game before they reach a weight.

Before each optimizer step the real batch, the latents, the fakes, every loss part, the gradients,
the optimizer's moments, the player's own weights, small states of parts and the EMA are summed; a
sum is finite exactly if every term is (sums of finite float32 values overflow only beyond 1e38).
One number leaves the device. Only when that fails is the culprit looked for (`culprit.py`).

Forwards move normalisation statistics and the states of parts before any weight moves. So small
buffers are copied before each step, and put back where it fails; a state of size (`Undoable`) takes
its own changes back, and no iteration costs by the size of a state. Such a state is not summed
either: what enters it is (fakes, weights), and what leaves it is part of a loss.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor

from steadygan.game.state import GameState, StepResult, Undoable


class NonFiniteStep(Exception):
    """A step has computed NaN or Inf; no weight was moved and all buffers are as before it."""

    def __init__(self, result: StepResult) -> None:
        super().__init__(result)
        self.result = result


class Guard:
    """Watches the steps of one game. `begin` comes before a step's first forward, `check` after its
    last one."""

    def __init__(self) -> None:
        self._copies: dict[str, Tensor] = {}

    def begin(self, state: GameState) -> None:
        """Remember the buffers of `state` as they are now."""
        for module in undoable(state):
            module.begin_step()
        self._copies = {key: buffer.clone() for key, buffer in _copied(state).items()}

    def check(self, result: StepResult) -> None:
        """Raise `NonFiniteStep` if this step has computed NaN or Inf, with all buffers put back:
        what the step moved is a symptom, not the culprit."""
        if not result.context.inputs.processes.all(all_finite(watched(result))):
            self._undo(result.context.state)
            raise NonFiniteStep(result)

    @torch.no_grad()
    def _undo(self, state: GameState) -> None:
        """Put the buffers of `state` back, bit for bit, as they were at `begin`."""
        for module in undoable(state):
            module.undo_step()
        for key, buffer in _copied(state).items():
            buffer.copy_(self._copies[key])


def all_finite(tensors: Iterable[Tensor]) -> bool:
    """True if no element of any float tensor is NaN or Inf. One synchronisation a device: some
    optimizers keep their step counter on the CPU wherever the weights are."""
    sums: dict[torch.device, list[Tensor]] = {}
    for tensor in tensors:
        if tensor.is_floating_point():
            sums.setdefault(tensor.device, []).append(tensor.detach().sum().float())
    return all(math.isfinite(torch.stack(each).sum().item()) for each in sums.values())


def watched(result: StepResult) -> list[Tensor]:
    """Every tensor whose first non-finite value must stop the game at this step."""
    context, player = result.context, result.player
    found = [
        *context.used(with_fake=True).values(),
        *result.losses.values(),
        result.gradient_norm,  # stands for every gradient
        *player.parameters,
        *player.optimizer_tensors().values(),
        *small_states(context.state).values(),
    ]
    if context.player == "g":
        found += [*context.state.g_ema.parameters(), *context.state.g_ema.buffers()]
    return found


def undoable(state: GameState) -> list[Undoable]:
    """The states that take back their own changes."""
    return [module for module in state.part_states.modules() if isinstance(module, Undoable)]


def small_states(state: GameState) -> dict[str, Tensor]:
    """The buffers of all other states by name: copied, and watched, at each step."""
    own = {id(buffer) for module in undoable(state) for buffer in module.buffers()}
    return {f"states/{k}": b for k, b in state.part_states.named_buffers() if id(b) not in own}


def _copied(state: GameState) -> dict[str, Tensor]:
    """The buffers that are copied: those of the players' networks, and the small states."""
    of_players = {
        f"players/{name}/{key}": buffer
        for name, player in state.players.items()
        if not player.weights_of
        for key, buffer in player.modules.named_buffers()
    }
    return of_players | small_states(state)
