"""The guard against non-finite numbers: it stops a game before they reach a weight.

Before each optimizer step the real batch, the latents, the fakes, every loss part, the gradients,
the optimizer's moments, the player's own weights, small states of parts and the EMA are looked at,
by their norms, which are finite only if every element is. One number leaves the device. Only when
that fails is the culprit looked for (`culprit.py`).

Forwards move normalisation statistics and the states of parts before any weight moves. So small
buffers are copied before each step, and put back where it fails; a state of size (`Undoable`) takes
its own changes back, and no iteration costs by the size of a state. Such a state is not summed
either: what enters it is (fakes, weights), and what leaves it is part of a loss.
"""

from __future__ import annotations

import math
import time
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
        self._state: GameState | None = None
        self._undoable: list[Undoable] = []
        self._buffers: list[Tensor] = []
        self._copies: list[Tensor] = []

    def begin(self, state: GameState) -> None:
        """Remember the buffers of `state` as they are now."""
        if self._state is state:
            _copy(self._buffers, self._copies)
        else:  # which modules there are is looked up once
            self._state, self._undoable = state, undoable(state)
            self._buffers = copied(state)
            self._copies = [buffer.clone() for buffer in self._buffers]
        for module in self._undoable:
            module.begin_step()

    def check(self, result: StepResult) -> None:
        """Raise `NonFiniteStep` if this step has computed NaN or Inf, with all buffers put back:
        what the step moved is a symptom, not the culprit."""
        if not all_finite(watched(result)):
            self._undo()
            raise NonFiniteStep(result)

    def _undo(self) -> None:
        """Put the buffers back, bit for bit, as they were at `begin`."""
        for module in self._undoable:
            module.undo_step()
        _copy(self._copies, self._buffers)


@torch.no_grad()
def _copy(those: list[Tensor], into: list[Tensor]) -> None:
    if those:
        torch._foreach_copy_(into, those)


class LateGuard:
    """Watches the steps of a game on a GPU without waiting for it: what `Guard` looks at is looked
    at there, and `found` reads later whether any step since has computed NaN or Inf. What follows
    such a step is lost: see `Snapshot`."""

    def __init__(self, device: torch.device) -> None:
        self._bad = torch.zeros((), dtype=torch.bool, device=device)
        self.read_at = time.perf_counter()

    def begin(self, state: GameState) -> None:
        for module in undoable(state):
            module.begin_step()

    @torch.no_grad()
    def check(self, result: StepResult) -> None:
        """Remember where this step has computed NaN, Inf, or what is too large for a norm."""
        floats = by_kind(tensor for tensor in watched(result) if tensor.is_floating_point())
        for tensors in floats.values():
            norms = torch.stack(torch._foreach_norm(tensors))
            finite = norms.sum(dtype=torch.float64).isfinite()
            self._bad |= ~finite.to(self._bad.device)

    def found(self) -> bool:
        """Whether any step since the last call was not finite. Waits for the device."""
        found = bool(self._bad)
        if found:
            self._bad.zero_()
        return found


class Snapshot:
    """The tensors of a game as they were, on its device, so that it can go back there."""

    def __init__(self, state: GameState) -> None:
        modules = state.networks().values()
        self._players = list(state.players.values())
        self._of_modules = [t for m in modules for t in (*m.parameters(), *m.buffers())]
        #: Of each device and type the tensors of the game, and what they were.
        self._pairs: list[tuple[list[Tensor], list[Tensor]]] = []
        self._moments: list[Tensor] = []

    def take(self) -> None:
        """Remember the state as it is now."""
        moments = [moment for player in self._players for moment in player.moments()]
        if not self._pairs or [*map(id, moments)] != [*map(id, self._moments)]:
            self._moments = moments  # optimizers make theirs in their first step
            live = by_kind([*self._of_modules, *moments]).values()
            self._pairs = [(each, [tensor.detach().clone() for tensor in each]) for each in live]
            return
        for now, kept in self._pairs:
            _copy(now, kept)

    def restore(self) -> None:
        """Put the state back, bit for bit, as it was at the last `take`."""
        for now, kept in self._pairs:
            _copy(kept, now)
        known = {id(moment) for moment in self._moments}
        for player in self._players:
            if not known.issuperset(map(id, player.moments())):  # its first step came after
                player.optimizer.state.clear()


@torch.no_grad()
def all_finite(tensors: Iterable[Tensor]) -> bool:
    """True if no element of any float tensor is NaN or Inf.

    A norm is finite only if every element is; it overflows from 1e19 on, and only then the sums are
    taken, which do beyond 1e38. One synchronisation a device and type: some optimizers keep their
    step counter on the CPU wherever the weights are.
    """
    floats = by_kind(tensor for tensor in tensors if tensor.is_floating_point())
    return all(_norms_finite(each) or _sums_finite(each) for each in floats.values())


def by_kind(tensors: Iterable[Tensor]) -> dict[tuple[torch.device, torch.dtype], list[Tensor]]:
    """Tensors by device and type, in their order."""
    groups: dict[tuple[torch.device, torch.dtype], list[Tensor]] = {}
    for tensor in tensors:
        groups.setdefault((tensor.device, tensor.dtype), []).append(tensor)
    return groups


def _norms_finite(tensors: list[Tensor]) -> bool:
    norms = torch.stack(torch._foreach_norm(tensors))
    return math.isfinite(norms.sum(dtype=torch.float64).item())


def _sums_finite(tensors: list[Tensor]) -> bool:
    sums = torch.stack([tensor.sum().float() for tensor in tensors])
    return math.isfinite(sums.sum().item())


def watched(result: StepResult) -> list[Tensor]:
    """Every tensor whose first non-finite value must stop the game at this step."""
    context, player = result.context, result.player
    # Several processes watch what all of them see, so that all of them stop at one step.
    inputs = context.used(with_fake=True).values() if result.drawn is None else [result.drawn]
    found = [
        *inputs,
        *result.losses.values(),
        result.gradient_norm,  # stands for every gradient
        *player.parameters,
        *player.moments(),
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


def copied(state: GameState) -> list[Tensor]:
    """The buffers that are copied: those of the players' networks, and the small states."""
    owners = [player.modules for player in state.players.values() if not player.weights_of]
    of_players = [buffer for modules in owners for buffer in modules.buffers()]
    return of_players + list(small_states(state).values())
