"""Small trained games for `benchmarks.properties`, and what is measured of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from steadygan.data import Dataset
from steadygan.game.context import StepContext
from steadygan.losses.objectives import minimax_g_loss
from steadygan.methods import find
from steadygan.study.compose import compose
from steadygan.training.inputs import as_played
from steadygan.training.loop import Trainer, needs_double_backward
from steadygan.training.precision import place
from steadygan.training.runfolder import RunFolder


def game(method: str, data: Dataset, seed: int = 0, **keys: object) -> Trainer:
    """A fresh game of a method on the CPU; a key's `__` is a dot. Nothing is written."""
    settings = {key.replace("__", "."): str(value) for key, value in keys.items()}
    recipe = compose(find(method), data.shape, settings)
    device_config = place("cpu", "fp32", needs_double_backward(recipe))
    return Trainer(recipe, data, RunFolder(Path("unused")), seed, device_config)


def played(trainer: Trainer, iterations: float) -> Trainer:
    """`trainer` after its pre-training stages and `iterations` iterations."""
    for stage in trainer.recipe.stages:
        while trainer.stage_steps[stage] < trainer.recipe.stage_length(stage):
            trainer.take_stage_step(stage)
    for _ in range(round(iterations)):
        trainer.iterate()
    return trainer


def overtrain_d(trainer: Trainer, updates: float) -> float:
    """D alone goes on for `updates` updates; the share of its last batch that it is right about."""
    for k in range(1, round(updates) + 1):
        context = StepContext(
            trainer.recipe, trainer.state, "d", trainer.inputs("d", k), trainer.images
        )
        trainer.recipe.step(context, trainer.guard)
    right = torch.cat([context.real_scores > 0, context.fake_scores <= 0])
    return right.float().mean().item()


def g_gradient(trainer: Trainer, g_loss: Callable[[StepContext], Tensor]) -> float:
    """The norm of the gradient of a loss of a G update for G's weights."""
    context = StepContext(
        trainer.recipe, trainer.state, "g", trainer.inputs("g", 1), trainer.images
    )
    weights = trainer.state.players["g"].parameters
    return torch.nn.utils.get_total_norm(torch.autograd.grad(g_loss(context), weights)).item()


def slopes_under_a_sure_d(trainer: Trainer, scale: float) -> tuple[float, float, float]:
    """(D's accuracy after it went on alone, |gradient| of G's saturating loss, of its whole turn
    with that loss: the decode step's gradient is added where there is one)."""
    accuracy = overtrain_d(trainer, 150 * scale)

    def adversarial(context: StepContext) -> Tensor:
        return minimax_g_loss(context.fake_scores)

    def whole(context: StepContext) -> Tensor:
        recipe = trainer.recipe
        if "decode" not in trainer.state.players:
            return adversarial(context)
        return adversarial(context) + recipe.decode_weight * recipe.decode_loss(context)

    return accuracy, g_gradient(trainer, adversarial), g_gradient(trainer, whole)


def drawn_latents(trainer: Trainer, count: int) -> Tensor:
    """Latents (count, n), from a seed of their own."""
    prior = trainer.recipe.sampling_prior(trainer.data.classes)
    return prior.sample(count, torch.Generator().manual_seed(12345))


@torch.no_grad()
def samples(trainer: Trainer, count: int) -> Tensor:
    """Samples (count, ...) of the average."""
    return trainer.state.g_ema(drawn_latents(trainer, count))


def held_out(data: Dataset, count: int) -> Tensor:
    return as_played(torch.from_numpy(data.test.items[:count].copy()))


def energy_distance(a: Tensor, b: Tensor) -> float:
    """sqrt(2 E |a - b| - E |a - a'| - E |b - b'|) of two sets of vectors (n, d). 0 where equal."""

    def within(x: Tensor) -> Tensor:
        return torch.cdist(x, x).sum() / (len(x) * (len(x) - 1))

    a, b = a.flatten(1).double(), b.flatten(1).double()
    return math.sqrt(max((2 * torch.cdist(a, b).mean() - within(a) - within(b)).item(), 0.0))


@torch.no_grad()
def decode_error(held: Trainer, other: Trainer) -> float:
    """mean (G(h(x)) - x)^2 of held-out images: h of the game `held`, G the average of `other`."""
    real = held_out(held.data, 1000)
    made = other.state.g_ema(held.recipe.code(held.state, real))
    return (made - real).square().mean().item()
