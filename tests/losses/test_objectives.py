"""Losses against independent float64 formulas, and the identities of the first GAN."""

import math

import numpy as np
import pytest
import torch

from steadygan.game.objective import Objective
from steadygan.losses.objectives import (
    Minimax,
    NonSaturating,
    Wasserstein,
    bce_d_loss,
    minimax_g_loss,
    non_saturating_g_loss,
    wasserstein_d_loss,
    wasserstein_g_loss,
)

LOG4 = math.log(4)


def scores(seed, count=64, scale=5.0):
    """Random scores with the extremes in: at 80, exp(80) is beyond what float32 sums keep."""
    random = np.random.RandomState(seed)
    values = random.standard_normal(count) * scale
    values[:4] = [80.0, -80.0, 0.0, 37.5]
    return values


def log_d(c):
    """log sigmoid(c) in float64 from its definition, by the branch that does not overflow."""
    return np.array(
        [-math.log1p(math.exp(-x)) if x > 0 else x - math.log1p(math.exp(x)) for x in c]
    )


FORMULAS = {
    bce_d_loss: lambda r, f: -log_d(r).mean() - log_d(-f).mean(),
    minimax_g_loss: lambda f: log_d(-f).mean(),
    non_saturating_g_loss: lambda f: -log_d(f).mean(),
    wasserstein_d_loss: lambda r, f: f.mean() - r.mean(),
    wasserstein_g_loss: lambda f: -f.mean(),
}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("loss", FORMULAS, ids=lambda f: f.__name__)
def test_a_loss_is_its_formula(loss, seed):
    arguments = [scores(seed), scores(100 + seed, count=48)][-loss.__code__.co_argcount :]
    wanted = FORMULAS[loss](*arguments)
    exact = loss(*(torch.tensor(a, dtype=torch.float64) for a in arguments))
    assert exact.item() == pytest.approx(wanted, rel=1e-12, abs=1e-12)
    single = loss(*(torch.tensor(a, dtype=torch.float32) for a in arguments))
    assert single.dtype == torch.float32
    assert single.item() == pytest.approx(wanted, rel=2e-6, abs=2e-6)


@pytest.mark.parametrize("value", [-200.0, -80.0, 80.0, 200.0])
@pytest.mark.parametrize("loss", FORMULAS, ids=lambda f: f.__name__)
def test_slopes_stay_finite_where_a_probability_would_be_0_or_1(loss, value):
    arguments = [torch.full((4,), value, requires_grad=True)] * loss.__code__.co_argcount
    total = loss(*arguments)
    (slope,) = torch.autograd.grad(total, arguments[0])
    assert total.isfinite()
    assert slope.isfinite().all()
    assert abs(total.item()) <= abs(value)


@pytest.mark.parametrize(
    ("objective", "d_loss", "g_loss"),
    [
        (Minimax(), bce_d_loss, minimax_g_loss),
        (NonSaturating(), bce_d_loss, non_saturating_g_loss),
        (Wasserstein(), wasserstein_d_loss, wasserstein_g_loss),
    ],
    ids=lambda x: getattr(x, "name", ""),
)
def test_an_objective_is_its_two_plain_functions(objective, d_loss, g_loss):
    real, fake = (torch.tensor(scores(s), dtype=torch.float32) for s in (1, 2))
    assert torch.equal(objective.d_loss(real, fake), d_loss(real, fake))
    assert torch.equal(objective.g_loss(fake), g_loss(fake))
    assert objective.real_is_high


def test_who_has_a_threshold_and_a_probability():
    values = torch.tensor([-2.0, 0.0, 3.0])
    for objective in (Minimax(), NonSaturating()):
        assert objective.threshold == 0.0
        wanted = [1 / (1 + math.exp(-v)) for v in values.tolist()]
        assert objective.probability(values).tolist() == pytest.approx(wanted, rel=1e-6)
    assert Wasserstein().threshold is None
    assert Wasserstein().probability(values) is None


def test_the_wasserstein_estimate_is_minus_the_critics_loss():
    real, fake = torch.tensor([1.0, 4.0]), torch.tensor([-3.0, 0.5])
    signals = Wasserstein().signals(real, fake)
    assert signals["wasserstein_estimate"].item() == pytest.approx(2.5 + 1.25)
    assert signals["wasserstein_estimate"] == -wasserstein_d_loss(real, fake)


def test_every_objective_prefers_real_above_fake():
    """A mutant that swaps real and fake, or forgets a sign, is on the wrong side here."""
    for name, member in Objective.members().items():
        if Objective.d_loss is member.d_loss or Objective.g_loss is member.g_loss:
            continue  # it reads more than the scores
        objective = member()
        # not mirrored: with its Pearson coding, lsgan draws G's scores to 0 from both sides
        high, low = torch.full((8,), 1.0), torch.full((8,), -2.0)
        if not objective.real_is_high:
            high, low = -high, -low
        assert objective.d_loss(high, low) < objective.d_loss(low, high), name
        assert objective.g_loss(high) < objective.g_loss(low), name


# ---- the identities of the first paper -------------------------------------------------------


def discrete(seed, atoms=7, count=1000):
    """Counts of `count` draws over `atoms` places, each at least once: p = counts / count."""
    random = np.random.RandomState(seed)
    return 1 + random.multinomial(count - atoms, random.dirichlet(np.ones(atoms)))


@pytest.mark.parametrize("seed", range(8))
def test_the_optimal_discriminators_value_is_the_jensen_shannon_divergence(seed):
    p_counts, q_counts = discrete(seed), discrete(1000 + seed)
    p, q = p_counts / p_counts.sum(), q_counts / q_counts.sum()
    best = np.log(p) - np.log(q)  # logit of p / (p + q)
    middle = (p + q) / 2
    jsd = 0.5 * (p * np.log(p / middle)).sum() + 0.5 * (q * np.log(q / middle)).sum()

    def value(score):
        real, fake = np.repeat(score, p_counts), np.repeat(score, q_counts)
        return -bce_d_loss(torch.from_numpy(real), torch.from_numpy(fake)).item()

    assert value(best) == pytest.approx(-LOG4 + 2 * jsd, abs=1e-9)
    for nudge in np.random.RandomState(seed).standard_normal((5, len(best))):
        assert value(best + 0.1 * nudge) < value(best)


def test_equal_distributions_cost_log_4_and_disjoint_ones_nothing():
    undecided = torch.zeros(10, dtype=torch.float64)
    assert bce_d_loss(undecided, undecided).item() == pytest.approx(LOG4, abs=1e-12)
    certain = torch.full((10,), 80.0, dtype=torch.float64)
    assert 0 <= bce_d_loss(certain, -certain).item() < 1e-30


@pytest.mark.parametrize("c", [-80.0, -20.0, -1.0, 0.0, 1.0, 20.0])
def test_minimax_saturates_where_d_wins_and_the_other_does_not(c):
    at = torch.tensor([c], dtype=torch.float64, requires_grad=True)
    (minimax,) = torch.autograd.grad(minimax_g_loss(at), at)
    (heuristic,) = torch.autograd.grad(non_saturating_g_loss(at), at)
    sigmoid = 1 / (1 + math.exp(-c))
    assert minimax.item() == pytest.approx(-sigmoid, rel=1e-9)
    assert heuristic.item() == pytest.approx(-1 / (1 + math.exp(c)), rel=1e-9)
    if c <= -20:
        assert abs(minimax.item()) < 1e-8
        assert heuristic.item() == pytest.approx(-1.0, abs=1e-8)


@pytest.mark.parametrize("g_loss", [minimax_g_loss, non_saturating_g_loss])
def test_both_generators_rest_where_p_g_is_p_d_and_d_is_constant(g_loss):
    def slopes(shift):
        x = torch.linspace(-1, 1, 9, dtype=torch.float64)
        g = (x + shift).requires_grad_(True)
        weight = torch.zeros(2, dtype=torch.float64, requires_grad=True)

        def critic(at):
            return weight[0] * at + weight[1]

        of_d = torch.autograd.grad(bce_d_loss(critic(x), critic(g.detach())), weight)[0]
        of_g = torch.autograd.grad(g_loss(critic(g)), g)[0]
        return of_d.abs().max().item(), of_g.abs().max().item()

    assert slopes(0.0) == pytest.approx((0.0, 0.0), abs=1e-12)
    assert slopes(0.5)[0] > 0.1  # p_g is not p_d: D moves, so this is no fixed point
