"""GAN-QP, LS-GAN and WGAN-div's objective: formulas, closed forms, sides."""

import numpy as np
import pytest
import torch
from tiny import context, shrunk

from steadygan.game.part import Part
from steadygan.losses.margins import (
    LossSensitive,
    QuadraticPotential,
    energy_g_loss,
    loss_sensitive_d_loss,
    pair_distances,
    quadratic_potential,
)
from steadygan.losses.objectives import WassersteinLow, wasserstein_d_loss, wasserstein_g_loss
from steadygan.methods import find


def numbers(seed, shape=(16,), scale=5.0):
    return np.random.RandomState(seed).standard_normal(shape) * scale


def tensors(*arrays, dtype=torch.float64):
    return [torch.tensor(a, dtype=dtype) for a in arrays]


REAL, FAKE = numbers(1), numbers(2)
DISTANCES = np.abs(numbers(3, scale=1.0)) + 0.05


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_the_distance_of_a_pair_is_a_mean_over_its_values(norm, dtype):
    x, g = numbers(4, (5, 3, 4, 4), 1.0), numbers(5, (5, 3, 4, 4), 1.0)
    off = (x - g).reshape(5, -1)
    wanted = np.abs(off).mean(1) if norm == "l1" else np.sqrt((off**2).mean(1))
    found = pair_distances(*tensors(x, g, dtype=dtype), norm)
    assert found.tolist() == pytest.approx(wanted.tolist(), rel=1e-5)
    assert found.dtype == dtype


# ---- GAN-QP --------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("slope", [0.5, 10.0])
def test_the_quadratic_potential_is_its_formula(slope, dtype):
    wanted = np.mean((REAL - FAKE) ** 2 / (2 * slope * DISTANCES))
    found = quadratic_potential(*tensors(REAL, FAKE, DISTANCES, dtype=dtype), slope)
    assert found.item() == pytest.approx(wanted, rel=1e-12 if dtype == torch.float64 else 2e-6)


@pytest.mark.parametrize("slope", [1.0, 10.0])
def test_at_best_a_pair_differs_by_slope_times_its_distance(slope):
    """D = lambda d, and the loss is -lambda E d / 2."""
    distances = torch.tensor(DISTANCES)
    real, fake = (torch.zeros(16, dtype=torch.float64, requires_grad=True) for _ in range(2))

    for _ in range(4000):
        loss = wasserstein_d_loss(real, fake) + quadratic_potential(real, fake, distances, slope)
        of_real, of_fake = torch.autograd.grad(loss, (real, fake))
        with torch.no_grad():
            real -= 0.4 * slope * of_real
            fake -= 0.4 * slope * of_fake
    gaps = (real - fake).detach()
    torch.testing.assert_close(gaps, slope * distances, rtol=1e-6, atol=1e-9)
    assert loss.item() == pytest.approx(-slope * DISTANCES.mean() / 2, rel=1e-9)


@pytest.mark.parametrize("gap", [-100.0, 0.0, 100.0])
def test_gs_slope_never_saturates(gap):
    fake = torch.full((8,), gap, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(wasserstein_g_loss(fake), fake)
    assert slope.tolist() == pytest.approx([-1 / 8] * 8)


def test_equal_samples_cost_nothing_and_are_no_division_by_zero():
    scores = torch.ones(4, requires_grad=True)
    cost = quadratic_potential(scores, scores * 1.0, torch.zeros(4))
    (slope,) = torch.autograd.grad(cost, scores)
    assert cost == 0
    assert slope.isfinite().all()


@pytest.mark.parametrize("distance", ["l1", "l2"])
def test_the_part_is_its_function_weighted_on_the_pairs_that_d_judges(distance):
    part = QuadraticPotential(weight=3.0, slope=2.0, distance=distance)
    recipe = shrunk(find("gan-qp").recipe.with_(part))
    game = context(recipe, "d")
    scores = (game.real_scores.detach().numpy(), game.fake_scores.detach().numpy())
    off = (game.real - game.d_fake_input).flatten(1).numpy().astype(np.float64)
    d = np.abs(off).mean(1) if distance == "l1" else np.sqrt((off**2).mean(1))
    wanted = 3.0 * np.mean((scores[0] - scores[1]) ** 2 / (2 * 2.0 * d))
    losses = recipe.losses(game)
    assert losses["quadratic-potential"].item() == pytest.approx(wanted, rel=1e-4)
    wanted = wasserstein_d_loss(game.real_scores, game.fake_scores)
    assert torch.equal(losses["adversarial"], wanted)


# ---- LS-GAN --------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("leak", [0.0, 0.2, 1.0])
def test_the_loss_sensitive_loss_is_its_formula(leak, dtype):
    a = DISTANCES + REAL - FAKE
    wanted = np.where(a > 0, a, leak * a).mean()
    found = loss_sensitive_d_loss(*tensors(REAL, FAKE, DISTANCES, dtype=dtype), leak)
    tolerance = 1e-12 if dtype == torch.float64 else 2e-6
    assert found.item() == pytest.approx(wanted, rel=tolerance, abs=tolerance)


def test_margins_that_hold_cost_nothing_and_pull_at_nothing():
    real, margins = tensors(REAL, DISTANCES)
    fake = (real + 1.01 * margins).requires_grad_(True)
    cost = loss_sensitive_d_loss(real, fake, margins)
    assert cost == 0
    assert not torch.autograd.grad(cost, fake)[0].any()
    broken = (real + 0.9 * margins).requires_grad_(True)
    cost = loss_sensitive_d_loss(real, broken, margins)
    assert cost.item() == pytest.approx(0.1 * DISTANCES.mean())
    assert torch.autograd.grad(cost, broken)[0].tolist() == pytest.approx([-1 / 16] * 16)


def test_a_leak_of_1_is_the_wasserstein_loss_and_a_constant():
    real, fake, margins = tensors(REAL, FAKE, DISTANCES)
    found = loss_sensitive_d_loss(real, fake, margins, 1.0)
    wanted = wasserstein_d_loss(fake, real) + margins.mean()  # real samples score low
    assert found.item() == pytest.approx(wanted.item(), rel=1e-12)


def test_the_objective_takes_the_mean_over_values():
    keys = "loss-sensitive:margin=0.5,leak=0.1,real_weight=0.5"
    recipe = shrunk(find("ls-gan").recipe, objective=keys)
    assert recipe.objective == LossSensitive(margin=0.5, leak=0.1, real_weight=0.5)
    game = context(recipe, "d")
    real, fake = (s.detach().double().numpy() for s in (game.real_scores, game.fake_scores))
    off = (game.real - game.fake).double().flatten(1).numpy()
    a = 0.5 * np.abs(off).mean(1) + real - fake
    wanted = np.where(a > 0, a, 0.1 * a).mean() + 0.5 * real.mean()
    assert recipe.losses(game)["adversarial"].item() == pytest.approx(wanted, rel=1e-5)
    assert game.signals["margin"].item() == pytest.approx(0.5 * np.abs(off).mean(), rel=1e-5)


def test_the_default_margin_is_the_authors_on_colour_images_of_64_pixels():
    off = np.abs(numbers(7, (3, 64, 64), 1.0))
    assert LossSensitive().margin * off.mean() == pytest.approx(2e-4 * off.sum())


class Turned(Part):
    """D judges the negatives of the fakes."""

    sides = ("shared",)

    def fakes_for_d(self, context, fake):
        return -fake


@pytest.mark.parametrize("name", ["gan-qp", "ls-gan"])
def test_distances_are_those_of_the_fakes_that_d_judges(name):
    recipe = shrunk(find(name).recipe.with_(Turned()))
    game = context(recipe, "d")
    losses = recipe.losses(game)
    distances = pair_distances(game.real, -game.fake)
    assert (distances - pair_distances(game.real, game.fake)).abs().max() > 1e-3
    scores = game.real_scores, game.fake_scores
    if name == "gan-qp":
        wanted, found = quadratic_potential(*scores, distances), losses["quadratic-potential"]
    else:
        wanted, found = loss_sensitive_d_loss(*scores, 2.4576 * distances), losses["adversarial"]
    assert found.item() == pytest.approx(wanted.item(), rel=1e-6)


# ---- both sides ----------------------------------------------------------------------------


def test_wgan_divs_objective_is_wassersteins_with_the_sign_turned():
    real, fake = tensors(REAL, FAKE)
    objective = WassersteinLow()
    assert objective.d_loss(real, fake).item() == pytest.approx(REAL.mean() - FAKE.mean())
    assert objective.g_loss(fake).item() == pytest.approx(FAKE.mean())
    assert torch.equal(objective.d_loss(-real, -fake), wasserstein_d_loss(real, fake))
    assert torch.equal(objective.g_loss(-fake), wasserstein_g_loss(fake))
    signals = objective.signals(real, fake)
    assert signals["critic_gap"].item() == pytest.approx(FAKE.mean() - REAL.mean())


@pytest.mark.parametrize("objective", [LossSensitive(), WassersteinLow()], ids=lambda o: o.name)
def test_where_a_score_is_a_loss_real_samples_are_low(objective):
    assert not objective.real_is_high
    assert objective.threshold is None
    low, high = torch.full((8,), -2.0), torch.full((8,), 2.0)
    assert objective.g_loss(low) < objective.g_loss(high)
    assert objective.g_loss(low) == energy_g_loss(low) == -2.0


def test_ls_gans_d_wants_fakes_above_real_samples():
    class At:
        real, d_fake_input, signals = torch.ones(8, 2), -torch.ones(8, 2), {}

        def __init__(self, real, fake):
            self.real_scores, self.fake_scores = torch.full((8,), real), torch.full((8,), fake)

    objective = LossSensitive(margin=1.0)
    assert objective.d_loss_in(At(-2.0, 2.0)) == 0
    assert objective.d_loss_in(At(2.0, -2.0)) == 2.0 + 4.0
