"""A recipe for tests alone that uses all that a game may have: a pre-training stage with its own
update, a frozen module that the stage trains, and a part that remembers. Imported in child
processes only, so that its part is in no registry of the process that runs the tests."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from steadygan.game.parts import Part
from steadygan.game.play import Hand, Play
from steadygan.game.players import BeforeStep, Table, Update
from steadygan.game.recipe import Recipe
from steadygan.methods import methods
from tests.reliability.games import small


class Memory(nn.Module):
    """What the part remembers: a running mean of D's real scores."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("uses", torch.zeros((), dtype=torch.int64))


class Remember(Part):
    """Pulls D's real scores towards their running mean."""

    name = "remember-for-tests"
    sides: ClassVar = ("on_d",)

    def start(self, table: Table) -> nn.Module:
        return Memory()

    def loss(self, play: Play) -> Tensor:
        memory = play.table.states[self.name]
        memory.mean.lerp_(play.real_scores.detach().mean(), 0.1)
        memory.uses += 1
        ruler = play.table.frozen["ruler"](play.fake.flatten(1)).mean()
        return 0.1 * (play.real_scores.mean() - memory.mean).square() + 0.01 * ruler.detach()


class Measured(Part):
    """Lets G feel the frozen module."""

    name = "measured-for-tests"
    sides: ClassVar = ("on_g",)

    def loss(self, play: Play) -> Tensor:
        return play.table.frozen["ruler"](play.fake.flatten(1)).square().mean()


class Staged(Recipe):
    """A GAN after a stage in which a ruler learns the mean image and G its brightness."""

    stages: ClassVar = ("warmup",)
    warmup_steps: int = 24

    def start(self, shape: tuple[int, ...], classes: int = 0) -> Table:
        table = super().start(shape, classes)
        ruler = nn.Linear(shape[0] * shape[1] * shape[2], 1)
        table.frozen["ruler"] = ruler.requires_grad_(False)
        return table

    def stage_length(self, stage: str) -> int:
        return self.warmup_steps

    def stage_step(
        self, stage: str, step: int, table: Table, hand: Hand, before_step: BeforeStep
    ) -> None:
        play, player = Play(self, table, "g", hand), table.players["g"]
        noise = torch.randn(play.real.flatten(1).shape[1], generator=play.generator("ruler"))
        with torch.no_grad():
            target = play.real.flatten(1).mean(0) + 0.01 * noise
            table.frozen["ruler"].weight.lerp_(target[None], 0.2)
        loss = (play.fake.mean() - play.real.mean()).square()
        gradients = torch.autograd.grad(loss, player.parameters, materialize_grads=True)
        norm = torch.nn.utils.get_total_norm(gradients)
        before_step(Update(player, play, {"brightness": loss}, list(gradients), norm))
        player.step(list(gradients), player.spec.settings(0, self.horizon_images, self.batch))


def recipe() -> Staged:
    plain = small(methods()["dcgan"].recipe).with_(Remember(), Measured(), method="")
    return Staged(**{name: getattr(plain, name) for name in Recipe.model_fields})
