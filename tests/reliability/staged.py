"""A recipe for tests alone that uses all that a game may have: a pre-training stage with its own
update, a frozen module that the stage trains, and a part that remembers. Imported in child
processes only, so that its part is in no registry of the process that runs the tests."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from steadygan.game.context import Iteration, StepContext
from steadygan.game.part import Part
from steadygan.game.recipe import Recipe
from steadygan.game.state import GameState, StepResult
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

    def start(self, state: GameState) -> nn.Module:
        return Memory()

    def loss(self, context: StepContext) -> Tensor:
        memory = context.state.part_states[self.name]
        memory.mean.lerp_(context.real_scores.detach().mean(), 0.1)
        memory.uses += 1
        ruler = context.state.part_states["ruler"](context.fake.flatten(1)).mean()
        return 0.1 * (context.real_scores.mean() - memory.mean).square() + 0.01 * ruler.detach()


class Measured(Part):
    """Lets G feel the frozen module."""

    name = "measured-for-tests"
    sides: ClassVar = ("on_g",)

    def loss(self, context: StepContext) -> Tensor:
        return context.state.part_states["ruler"](context.fake.flatten(1)).square().mean()


class Staged(Recipe):
    """A GAN after a stage in which a ruler learns the mean image and G its brightness."""

    stages: ClassVar = ("warmup",)
    warmup_steps: int = 24

    def start(self, shape: tuple[int, ...], classes: int = 0) -> GameState:
        state = super().start(shape, classes)
        ruler = nn.Linear(shape[0] * shape[1] * shape[2], 1)
        state.part_states["ruler"] = ruler.requires_grad_(False)
        return state

    def stage_length(self, stage: str) -> int:
        return self.warmup_steps

    def stage_step(self, stage: str, state: GameState, iteration: Iteration) -> None:
        inputs = iteration.inputs(stage, iteration.index)
        context, player = StepContext(self, state, "g", inputs), state.players["g"]
        noise = torch.randn(context.real.flatten(1).shape[1], generator=context.generator("ruler"))
        with torch.no_grad():
            target = context.real.flatten(1).mean(0) + 0.01 * noise
            state.part_states["ruler"].weight.lerp_(target[None], 0.2)
        loss = (context.fake.mean() - context.real.mean()).square()
        gradients = torch.autograd.grad(loss, player.parameters, materialize_grads=True)
        norm = torch.nn.utils.get_total_norm(gradients)
        iteration.guard(StepResult(player, context, {"brightness": loss}, list(gradients), norm))
        player.step(list(gradients), player.spec.settings(0, self.horizon_images, self.batch))


def recipe() -> Staged:
    plain = small(methods()["dcgan"].recipe).with_(Remember(), Measured(), method="")
    return Staged(**{name: getattr(plain, name) for name in Recipe.model_fields})
