"""Relativistic losses against float64 formulas, and what only differences can do."""

import math

import numpy as np
import pytest
import torch
from tiny import context, shrunk

from steadygan.game.context import StepContext
from steadygan.losses.relativistic import (
    RaGAN,
    RpGAN,
    ragan_d_loss,
    ragan_g_loss,
    rpgan_d_loss,
    rpgan_g_loss,
)
from steadygan.methods import find

LOG2 = math.log(2)
LOSSES = [rpgan_d_loss, rpgan_g_loss, ragan_d_loss, ragan_g_loss]


def log_sigmoid(c):
    """log(1 / (1 + exp(-c))) in float64, by the branch that does not overflow."""
    return np.array(
        [-math.log1p(math.exp(-x)) if x > 0 else x - math.log1p(math.exp(x)) for x in c]
    )


FORMULAS = {
    rpgan_d_loss: lambda r, f: -log_sigmoid(r - f).mean(),
    rpgan_g_loss: lambda r, f: -log_sigmoid(f - r).mean(),
    ragan_d_loss: lambda r, f: -0.5 * (
        log_sigmoid(r - f.mean()).mean() + log_sigmoid(-(f - r.mean())).mean()
    ),
    ragan_g_loss: lambda r, f: -0.5 * (
        log_sigmoid(f - r.mean()).mean() + log_sigmoid(-(r - f.mean())).mean()
    ),
}  # fmt: skip


def scores(seed, count=64):
    random = np.random.RandomState(seed)
    values = random.standard_normal(count) * 5
    values[:4] = [80.0, -80.0, 0.0, 37.5]
    return random.permutation(values)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("loss", LOSSES, ids=lambda f: f.__name__)
def test_a_loss_is_its_formula(loss, seed):
    real, fake = scores(seed), scores(100 + seed)
    wanted = FORMULAS[loss](real, fake)
    exact = loss(torch.tensor(real), torch.tensor(fake))
    assert exact.item() == pytest.approx(wanted, rel=1e-12)
    single = loss(torch.tensor(real).float(), torch.tensor(fake).float())
    assert single.item() == pytest.approx(wanted, rel=2e-6)


@pytest.mark.parametrize("shift", [-50.0, 0.3, 1000.0])
@pytest.mark.parametrize("loss", LOSSES, ids=lambda f: f.__name__)
def test_a_constant_on_all_scores_changes_nothing(loss, shift):
    real, fake = (torch.tensor(scores(s)) for s in (1, 2))
    assert loss(real + shift, fake + shift).item() == pytest.approx(loss(real, fake).item())
    assert loss(real + 1.0, fake).item() != pytest.approx(loss(real, fake).item(), rel=1e-3)


@pytest.mark.parametrize("loss", LOSSES, ids=lambda f: f.__name__)
def test_no_gradient_moves_all_scores_together(loss):
    """So the batch means of the average are part of the graph, as in the author's code."""
    real, fake = (torch.tensor(scores(s) / 5, requires_grad=True) for s in (1, 2))
    of_real, of_fake = torch.autograd.grad(loss(real, fake), (real, fake))
    assert of_real.sum().item() == pytest.approx(-of_fake.sum().item(), rel=1e-9)
    assert of_real.sum().abs() > 0.1


@pytest.mark.parametrize("level", [-3.0, 0.0, 12.0])
@pytest.mark.parametrize("loss", LOSSES, ids=lambda f: f.__name__)
def test_equal_scores_cost_log_2(loss, level):
    same = torch.full((8,), level, dtype=torch.float64)
    assert loss(same, same).item() == pytest.approx(LOG2, abs=1e-12)


def test_pairs_and_averages_differ_unless_scores_agree_within_a_kind():
    real, fake = (torch.tensor(scores(s) / 5) for s in (1, 2))
    assert rpgan_d_loss(real, fake).item() != pytest.approx(ragan_d_loss(real, fake).item())
    flat = torch.full((8,), 2.0), torch.full((8,), -1.0)
    assert rpgan_d_loss(*flat).item() == pytest.approx(ragan_d_loss(*flat).item())
    order = torch.randperm(64, generator=torch.Generator().manual_seed(0))
    assert ragan_d_loss(real, fake[order]).item() == pytest.approx(ragan_d_loss(real, fake).item())
    assert rpgan_d_loss(real, fake[order]).item() != pytest.approx(rpgan_d_loss(real, fake).item())


@pytest.mark.parametrize(
    ("objective", "d_loss", "g_loss"),
    [(RpGAN(), rpgan_d_loss, rpgan_g_loss), (RaGAN(), ragan_d_loss, ragan_g_loss)],
    ids=lambda x: getattr(x, "name", ""),
)
def test_an_objective_is_its_functions_of_a_plays_scores(objective, d_loss, g_loss):
    recipe = shrunk(find(objective.name).recipe)
    assert recipe.objective == objective
    game = context(recipe, "d")
    assert torch.equal(
        recipe.losses(game)["adversarial"], d_loss(game.real_scores, game.fake_scores)
    )
    player = StepContext(recipe, game.state, "g", game.inputs)
    value = recipe.losses(player)["adversarial"]
    assert torch.equal(value, g_loss(player.real_scores, player.fake_scores))
    assert "batch" in vars(player)  # G drew real samples of its own
    assert objective.threshold is None
    assert objective.probability(game.real_scores) is None


@pytest.mark.parametrize("objective", [RpGAN(), RaGAN()], ids=lambda o: o.name)
def test_d_wants_real_above_fake_and_g_the_opposite(objective):
    class At:
        real_scores = torch.zeros(8)

        def __init__(self, fake):
            self.fake_scores = torch.full((8,), fake)

        whole = staticmethod(lambda share: share)

    low, high = (torch.full((8,), score) for score in (-2.0, 2.0))
    assert objective.d_loss(torch.zeros(8), low) < objective.d_loss(torch.zeros(8), high)
    assert objective.g_loss_in(At(2.0)) < objective.g_loss_in(At(-2.0))
