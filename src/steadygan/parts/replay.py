"""Old fakes for D, so that it does not forget what G made before."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from steadygan.game.part import Part
from steadygan.game.state import Undoable

if TYPE_CHECKING:
    from steadygan.game.context import StepContext
    from steadygan.game.recipe import Recipe
    from steadygan.game.state import GameState


#: What `History` must put back: where fakes were put, what stood there, and how many were in use.
Change = tuple[Tensor | slice, Tensor, Tensor]


class History(Undoable):
    """Up to `capacity` old fakes of `shape`; the first `filled` of `samples` are in use."""

    samples: Tensor
    filled: Tensor

    def __init__(self, capacity: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.register_buffer("samples", torch.zeros(capacity, *shape))
        self.register_buffer("filled", torch.zeros((), dtype=torch.int64))
        self._changes: list[Change] = []

    @torch.no_grad()
    def exchange(self, fake: Tensor, count: int, generator: torch.Generator) -> Tensor:
        """`fake` (B, ...) with its last `count` samples replaced by old ones, drawn at random; its
        first `count` take random places here. As long as there is room, fakes are added and none
        is replaced."""
        capacity, filled = len(self.samples), int(self.filled)
        if filled < capacity:
            room = min(count, capacity - filled)
            self._put(slice(filled, filled + room), fake[:room])
            self.filled += room
            return fake
        drawn, places = (
            torch.randperm(capacity, generator=generator, device=generator.device)[:count]
            for _ in range(2)
        )
        augment = torch.cat([fake[:-count], self.samples[drawn]])
        self._put(places, fake[:count])
        return augment

    def _put(self, places: Tensor | slice, fakes: Tensor) -> None:
        """Write `fakes` to `places`, and remember what stood there."""
        self._changes.append((places, self.samples[places].clone(), self.filled.clone()))
        self.samples[places] = fakes

    def begin_step(self) -> None:
        self._changes.clear()

    @torch.no_grad()
    def undo_step(self) -> None:
        while self._changes:
            places, before, filled = self._changes.pop()
            self.samples[places] = before
            self.filled.copy_(filled)


class Replay(Part):
    """Half of the fakes that D judges are taken from `capacity` old ones, once those are full.

    Shrivastava et al. 2017, arXiv:1612.07828, section 2.3: half a batch comes from the history,
    and half a batch of new fakes takes places in it at random. Chintala et al. 2016 (ganhacks),
    item 8, for GANs in general. The capacity is ours. Old fakes reach D's loss alone: G and the
    penalties see new ones.
    """

    name = "replay"
    sides: ClassVar = ("shared",)
    fixed: ClassVar = ("capacity",)
    one_process: ClassVar = "each process would keep old fakes of its own"
    capacity: int = Field(512, ge=2, le=65536)
    share: float = Field(0.5, gt=0, lt=1)

    @property
    def reads_batch(self) -> bool:
        return True

    def incompatibility(self, recipe: Recipe) -> str | None:
        why = None
        if recipe.networks.g_takes_classes or recipe.networks.d_takes_classes:
            why = "the networks take classes"
        elif recipe.prior.codes_in_latent != (0, 0):
            why = "the prior has codes"
        elif recipe.networks.d_takes_latents:
            why = "D judges them together with their latents"
        return why and f"replay keeps old fakes without what they were made of, and {why}"

    def count(self, batch: int) -> int:
        """How many fakes of a batch are old; never more than are kept."""
        return min(int(self.share * batch), self.capacity)

    def start(self, state: GameState) -> nn.Module:
        return History(self.capacity, state.shape)

    def fakes_for_d(self, context: StepContext, fake: Tensor) -> Tensor:
        count = self.count(len(fake))
        if not count:
            return fake
        history = context.state.part_state(self.name, History)
        return history.exchange(fake, count, context.generator("replay"))
