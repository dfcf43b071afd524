"""Least squares: losses against float64 formulas, and what G minimises by the coding."""

import numpy as np
import pytest
import torch
from tiny import context, shrunk

from steadygan.game.objective import Objective
from steadygan.losses.least_squares import (
    LeastSquares,
    is_pearson,
    least_squares_d_loss,
    least_squares_d_loss_to,
    least_squares_g_loss,
)
from steadygan.losses.objectives import non_saturating_g_loss
from steadygan.methods import find
from steadygan.recipes.overrides import override

PEARSON, ZERO_ONE = (-1.0, 1.0, 0.0), (0.0, 1.0, 1.0)


def float64(values):
    return torch.tensor(np.asarray(values), dtype=torch.float64)


def scores(seed, count=48):
    return np.random.RandomState(seed).standard_normal(count) * 3


def drawn(values, probability, count=1000):
    """`values` as often as the probabilities say, so that a mean is an expectation."""
    return float64(np.repeat(values, np.round(probability * count).astype(int)))


def thousandths(seed, atoms=7):
    """Two distributions whose probabilities are whole thousandths, none of them zero."""
    random = np.random.RandomState(seed)
    pair = [1 + random.multinomial(1000 - atoms, random.dirichlet(np.ones(atoms))) for _ in "pq"]
    return [counts / 1000 for counts in pair]


# ---- values --------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("coding", [PEARSON, ZERO_ONE, (-0.3, 2.0, 1.7)])
def test_a_loss_is_its_formula(coding, seed):
    a, b, c = coding
    real, fake = scores(seed), scores(100 + seed, 32)
    of_d = 0.5 * np.mean((real - b) ** 2) + 0.5 * np.mean((fake - a) ** 2)
    of_g = 0.5 * np.mean((fake - c) ** 2)
    assert least_squares_d_loss(float64(real), float64(fake), a, b).item() == pytest.approx(
        of_d, rel=1e-12
    )
    assert least_squares_g_loss(float64(fake), c).item() == pytest.approx(of_g, rel=1e-12)
    objective = LeastSquares(coding=coding)
    single = [torch.tensor(s, dtype=torch.float32) for s in (real, fake)]
    assert objective.d_loss(*single).item() == pytest.approx(of_d, rel=2e-6)
    assert objective.g_loss(single[1]).item() == pytest.approx(of_g, rel=2e-6)


@pytest.mark.parametrize("coding", [PEARSON, ZERO_ONE])
def test_soft_targets_move_the_codes_between_a_and_b(coding):
    a, b, _ = coding
    real, fake = scores(1), scores(2)
    t_real, t_fake = (np.random.RandomState(s).uniform(size=48) for s in (3, 4))
    wanted = 0.5 * np.mean((real - (a + t_real * (b - a))) ** 2)
    wanted += 0.5 * np.mean((fake - (a + t_fake * (b - a))) ** 2)
    given = [float64(v) for v in (real, fake, t_real, t_fake)]
    assert least_squares_d_loss_to(*given, a, b).item() == pytest.approx(wanted, rel=1e-12)
    assert LeastSquares(coding=coding).d_loss_to(*given).item() == pytest.approx(wanted, rel=1e-12)
    hard = [*given[:2], torch.ones(48), torch.zeros(48)]
    plain = LeastSquares(coding=coding).d_loss(*given[:2])
    assert LeastSquares(coding=coding).d_loss_to(*hard).item() == pytest.approx(plain.item())


def test_scores_have_a_threshold_half_way_between_the_codes_and_are_no_log_odds():
    for coding, threshold in ((PEARSON, 0.0), (ZERO_ONE, 0.5), ((-0.5, 2.0, 2.0), 0.75)):
        objective = LeastSquares(coding=coding)
        assert objective.threshold == threshold
        assert objective.real_is_high
        assert objective.probability(torch.zeros(3)) is None


# ---- the coding ----------------------------------------------------------------------------


def test_a_coding_is_pearsons_where_b_minus_c_is_1_and_b_minus_a_is_2():
    assert is_pearson(*PEARSON)
    assert is_pearson(4.0, 6.0, 5.0)
    for other in (ZERO_ONE, (-1, 1, 1), (-1, 1, -1), (0, 1, 0), (-2, 1, 0), (-1, 1.5, 0.5)):
        assert not is_pearson(*other), other
    assert LeastSquares().is_pearson
    assert not LeastSquares(coding="01").is_pearson


def test_a_coding_is_read_by_its_name_or_as_three_numbers():
    assert LeastSquares().coding == LeastSquares(coding="pearson").coding == PEARSON
    assert LeastSquares(coding="01").coding == ZERO_ONE
    assert Objective.read("lsgan:coding=01") == LeastSquares(coding=ZERO_ONE)
    assert Objective.read("lsgan:coding=-2,3,0.5").coding == (-2.0, 3.0, 0.5)
    recipe = find("lsgan").recipe
    assert override(recipe, "objective.coding", "01").objective.coding == ZERO_ONE
    recorded = LeastSquares(coding="01").model_dump(mode="json")
    assert Objective.read(recorded) == LeastSquares(coding="01")


@pytest.mark.parametrize(
    ("coding", "message"),
    [
        ("chi", "unknown coding 'chi': pearson or 01, or three numbers a,b,c"),
        ((1.0, 1.0, 0.0), "the code of fakes must be below that of real samples, not 1.0 >= 1.0"),
        ((1.0, -1.0, 0.0), "must be below"),
        ((0.0, 1.0), "coding"),
    ],
)
def test_what_is_no_coding_is_refused(coding, message):
    with pytest.raises(ValueError, match=r"coding|must be below") as raised:
        LeastSquares(coding=coding)
    assert message in str(raised.value)


# ---- what the players are after --------------------------------------------------------------


def best_scores(p, q, coding):
    a, b, _ = coding
    return (b * p + a * q) / (p + q)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("coding", [PEARSON, ZERO_ONE])
def test_the_optimal_score_is_the_weighted_mean_of_the_codes(coding, seed):
    """On a grid around it, and against random nudges, no other score costs D less."""
    p, q = thousandths(seed)
    best = best_scores(p, q, coding)

    def cost(at):
        return least_squares_d_loss(drawn(at, p), drawn(at, q), *coding[:2]).item()

    least = cost(best)
    for atom in range(len(p)):
        for off in np.linspace(-1, 1, 9):
            moved = best.copy()
            moved[atom] += off
            assert cost(moved) >= least - 1e-15, (atom, off)
            assert off == 0 or cost(moved) > least
    for nudge in np.random.RandomState(seed).standard_normal((5, len(p))):
        assert cost(best + 0.1 * nudge) > least


def g_value(p, q, coding):
    """2 C(G): twice L_G with the optimal score, and with the real samples' term added to it."""
    best, c = best_scores(p, q, coding), coding[2]
    of_fake = least_squares_g_loss(drawn(best, q), c).item()
    of_real = least_squares_g_loss(drawn(best, p), c).item()  # does not depend on G
    return 2 * (of_fake + of_real)


@pytest.mark.parametrize("seed", range(8))
def test_with_pearsons_coding_g_minimises_the_pearson_divergence(seed):
    p, q = thousandths(seed)
    chi_square = ((2 * q - (p + q)) ** 2 / (p + q)).sum()
    assert g_value(p, q, PEARSON) == pytest.approx(chi_square, abs=1e-9)
    assert 0 <= chi_square <= 2
    assert g_value(p, p, PEARSON) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("seed", range(8))
def test_with_the_01_coding_g_minimises_another_divergence(seed):
    p, q = thousandths(seed)
    wanted = (q**2 / (p + q)).sum()
    assert g_value(p, q, ZERO_ONE) == pytest.approx(wanted, abs=1e-9)
    assert 0.5 < wanted < 1
    assert g_value(p, p, ZERO_ONE) == pytest.approx(0.5, abs=1e-12)
    assert wanted != pytest.approx(g_value(p, q, PEARSON), abs=1e-3)


def test_disjoint_distributions_are_at_the_far_end_of_both():
    p, q = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    assert g_value(p, q, PEARSON) == pytest.approx(2, abs=1e-12)
    assert g_value(p, q, ZERO_ONE) == pytest.approx(1, abs=1e-12)


def test_a_far_fake_on_the_right_side_is_still_pulled():
    """At C = 10: the slope of least squares (01) is C - c = 9, that of cross entropy 4.5e-5."""
    at = torch.tensor([10.0], dtype=torch.float64, requires_grad=True)
    (pulled,) = torch.autograd.grad(least_squares_g_loss(at, 1.0), at)
    (left,) = torch.autograd.grad(non_saturating_g_loss(at), at)
    assert pulled.item() == pytest.approx(9.0, rel=1e-12)
    assert abs(left.item()) == pytest.approx(4.54e-5, rel=1e-3)
    flat = torch.tensor([1.0], dtype=torch.float64, requires_grad=True)
    (none,) = torch.autograd.grad(least_squares_g_loss(flat, 1.0), flat)
    assert none.item() == 0.0


# ---- in a game -----------------------------------------------------------------------------


def test_a_game_minimises_the_losses_of_its_scores():
    recipe = shrunk(find("lsgan").recipe)
    of_d, of_g = context(recipe, "d"), context(recipe, "g")
    losses = recipe.losses(of_d)["adversarial"], recipe.losses(of_g)["adversarial"]
    real, fake = of_d.real_scores.double(), of_d.fake_scores.double()
    wanted = 0.5 * (real - 1).square().mean() + 0.5 * (fake + 1).square().mean()
    assert losses[0].item() == pytest.approx(wanted.item(), rel=1e-6)
    wanted = 0.5 * of_g.fake_scores.double().square().mean()
    assert losses[1].item() == pytest.approx(wanted.item(), rel=1e-6)
