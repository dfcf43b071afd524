"""Small trained games for `benchmarks.properties`, and what is measured of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from steadygan.data import Dataset
from steadygan.game.objectives import minimax_g_loss
from steadygan.game.play import Play
from steadygan.methods import find
from steadygan.study.compose import compose
from steadygan.training.loop import Trainer, as_played, needs_double_backward
from steadygan.training.precision import place
from steadygan.training.runfolder import RunFolder


def game(method: str, data: Dataset, seed: int = 0, **keys: object) -> Trainer:
    """A fresh game of a method on the CPU; a key's `__` is a dot. Nothing is written."""
    settings = {key.replace("__", "."): str(value) for key, value in keys.items()}
    recipe = compose(find(method), data.shape, settings)
    placement = place("cpu", "fp32", needs_double_backward(recipe))
    return Trainer(recipe, data, RunFolder(Path("unused")), seed, placement)


def played(trainer: Trainer, turns: float) -> Trainer:
    """`trainer` after its pre-training stages and `turns` turns."""
    for stage in trainer.recipe.stages:
        while trainer.stage_steps[stage] < trainer.recipe.stage_length(stage):
            trainer.play_stage_step(stage)
    for _ in range(round(turns)):
        trainer.play_turn()
    return trainer


def overtrain_d(trainer: Trainer, updates: float) -> float:
    """D alone goes on for `updates` updates; the share of its last batch that it is right about."""
    for k in range(1, round(updates) + 1):
        play = Play(trainer.recipe, trainer.table, "d", trainer.deal("d", k), trainer.images)
        trainer.recipe.update(play, trainer.guard)
    right = torch.cat([play.real_scores > 0, play.fake_scores <= 0])
    return right.float().mean().item()


def g_gradient(trainer: Trainer, g_loss: Callable[[Play], Tensor]) -> float:
    """The norm of the gradient of a loss of a G update for G's weights."""
    play = Play(trainer.recipe, trainer.table, "g", trainer.deal("g", 1), trainer.images)
    weights = trainer.table.players["g"].parameters
    return torch.nn.utils.get_total_norm(torch.autograd.grad(g_loss(play), weights)).item()


def slopes_under_a_sure_d(trainer: Trainer, scale: float) -> tuple[float, float, float]:
    """(D's accuracy after it went on alone, |gradient| of G's saturating loss, of its whole turn
    with that loss: the decode step's gradient is added where there is one)."""
    accuracy = overtrain_d(trainer, 150 * scale)

    def adversarial(play: Play) -> Tensor:
        return minimax_g_loss(play.fake_scores)

    def whole(play: Play) -> Tensor:
        recipe = trainer.recipe
        if "decode" not in trainer.table.players:
            return adversarial(play)
        return adversarial(play) + recipe.decode_weight * recipe.decode_loss(play)

    return accuracy, g_gradient(trainer, adversarial), g_gradient(trainer, whole)


def drawn_latents(trainer: Trainer, count: int) -> Tensor:
    """Latents (count, n), from a seed of their own."""
    prior = trainer.recipe.drawn_prior(trainer.data.classes)
    return prior.sample(count, torch.Generator().manual_seed(12345))


@torch.no_grad()
def samples(trainer: Trainer, count: int) -> Tensor:
    """Samples (count, ...) of the average."""
    return trainer.table.average(drawn_latents(trainer, count))


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
    made = other.table.average(held.recipe.code(held.table, real))
    return (made - real).square().mean().item()
