"""The L2-norm constraints: formulas, the decomposition, and the margin where D stops."""

import math

import numpy as np
import pytest
import torch
from tiny import GREY, context, differing, go_on, inputs, parameters, shrunk, started
from torch.nn.functional import softplus

from steadygan.game.context import Iteration, StepContext
from steadygan.losses.l2 import DiscriminatorL2, GeneratorL2, discriminator_l2, generator_l2
from steadygan.losses.objectives import (
    bce_d_loss,
    hinge_d_loss,
    hinge_g_loss,
    non_saturating_g_loss,
)
from steadygan.methods import find

KINDS = ("pair", "pair_sq", "batch_mean", "nearest")


def batches(seed=0, shape=(7, 3, 4, 4)):
    random = np.random.RandomState(seed)
    return random.uniform(-1, 1, shape), random.uniform(-1, 1, shape)


def tensors(*arrays):
    return tuple(torch.tensor(a, dtype=torch.float64) for a in arrays)


def by_hand(x, g, kind):
    x, g = (t.reshape(len(t), -1) for t in (x, g))
    if kind == "batch_mean":
        return math.sqrt(((x.mean(0) - g.mean(0)) ** 2).sum())
    total = 0.0
    for i in range(len(g)):
        if kind == "nearest":
            total += min(math.sqrt(((x[j] - g[i]) ** 2).sum()) for j in range(len(x)))
        else:
            square = ((x[i] - g[i]) ** 2).sum()
            total += math.sqrt(square) if kind == "pair" else square / x.shape[1]
    return total / len(g)


# ---- G's: the value ------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(7, 3, 4, 4), (5, 2), (40, 1, 8, 8)])
@pytest.mark.parametrize("kind", KINDS)
def test_the_generators_distance_is_its_formula(kind, shape):
    for seed in range(3):
        x, g = batches(seed, shape)
        wanted = by_hand(x, g, kind)
        assert generator_l2(*tensors(x, g), kind).item() == pytest.approx(wanted, rel=1e-12)
        single = generator_l2(torch.tensor(x).float(), torch.tensor(g).float(), kind)
        assert single.item() == pytest.approx(wanted, rel=1e-5)


def test_independent_pairs_decompose_into_means_and_spreads():
    """E |x - g|^2 = |mu_x - mu_g|^2 + tr S_x + tr S_g, exactly over the full grid of pairs."""
    x, g = batches(4, (9, 6))
    g = 0.3 * g[:5] + 0.2
    grid_x, grid_g = np.repeat(x, len(g), 0), np.tile(g, (len(x), 1))
    found = generator_l2(*tensors(grid_x, grid_g), "pair_sq").item() * 6
    wanted = ((x.mean(0) - g.mean(0)) ** 2).sum() + x.var(0).sum() + g.var(0).sum()
    assert found == pytest.approx(wanted, rel=1e-12)
    moved = generator_l2(*tensors(x, g[:1].repeat(9, 0)), "batch_mean").item()
    assert moved**2 == pytest.approx(((x.mean(0) - g[0]) ** 2).sum(), rel=1e-12)


# ---- G's: the slope ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["pair", "nearest"])
def test_every_image_is_pulled_with_norm_1_over_the_batch_towards_its_real_one(kind):
    x, g = batches(1)
    real, fake = tensors(x, g)
    fake.requires_grad_()
    (slope,) = torch.autograd.grad(generator_l2(real, fake, kind), fake)
    norms = slope.flatten(1).norm(dim=1)
    assert norms.tolist() == pytest.approx([1 / 7] * 7, rel=1e-9)
    far = ((g[:, None] - x[None]) ** 2).reshape(7, 7, -1).sum(2)
    towards = x if kind == "pair" else x[far.argmin(1)]
    away = (g - towards).reshape(7, -1)
    away /= np.linalg.norm(away, axis=1, keepdims=True) * 7
    np.testing.assert_allclose(slope.flatten(1).numpy(), away, rtol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_at_distance_0_the_slope_is_finite(kind):
    (real,) = tensors(batches()[0])
    fake = real.clone().requires_grad_()
    cost = generator_l2(real, fake, kind)
    (slope,) = torch.autograd.grad(cost, fake)
    assert cost.item() == 0
    assert slope.isfinite().all()


@pytest.mark.parametrize("kind", KINDS)
def test_real_samples_are_constants(kind):
    real, fake = tensors(*batches())
    real.requires_grad_()
    fake.requires_grad_()
    (slope,) = torch.autograd.grad(generator_l2(real, fake, kind), real, allow_unused=True)
    assert slope is None


@pytest.mark.parametrize(("kind", "shrinks"), [("pair", True), ("pair_sq", True),
                                               ("batch_mean", False)])  # fmt: skip
def test_pairs_shrink_the_spread_and_batch_means_only_move_the_mean(kind, shrinks):
    random = torch.Generator().manual_seed(0)
    made = torch.randn(64, 2, generator=random) + 3
    spread = made.std(0).mean().item()
    made.requires_grad_()
    adam = torch.optim.Adam([made], 0.02)
    for _ in range(300):
        real = torch.randn(64, 2, generator=random)  # other pairs each time
        adam.zero_grad()
        generator_l2(real, made, kind).backward()
        adam.step()
    assert made.mean(0).norm().item() < 0.5
    kept = made.std(0).mean().item() / spread
    assert kept < 0.5 if shrinks else 0.8 < kept < 1.2


# ---- D's -----------------------------------------------------------------------------------


def scores(seed=0, count=50):
    random = np.random.RandomState(seed)
    return random.standard_normal(count) * 3 + 1, random.standard_normal(count) * 2 - 1


@pytest.mark.parametrize("seed", range(4))
def test_the_discriminators_difference_is_its_formula(seed):
    c, f = scores(seed)
    pair = sum((a - b) ** 2 for a, b in zip(c, f, strict=True)) / len(c)
    mean = (sum(c) / len(c) - sum(f) / len(f)) ** 2
    assert discriminator_l2(*tensors(c, f)).item() == pytest.approx(pair, rel=1e-12)
    assert discriminator_l2(*tensors(c, f), "mean").item() == pytest.approx(mean, rel=1e-12)
    assert pair > mean


@pytest.mark.parametrize("kind", ["pair", "mean"])
def test_a_constant_costs_nothing_and_a_shift_changes_nothing(kind):
    constant = torch.full((8,), 2.5, dtype=torch.float64)
    assert discriminator_l2(constant, constant, kind).item() == 0
    c, f = tensors(*scores())
    shifted = discriminator_l2(c + 17, f + 17, kind).item()
    assert shifted == pytest.approx(discriminator_l2(c, f, kind).item(), rel=1e-12)
    assert discriminator_l2(c + 17, f, kind).item() > 2 * shifted


def margin(d_loss, weight, steps=800):
    """(the margin, the objective, D's whole loss) after gradient descent on two scalar logits."""
    logits = torch.tensor([0.1, -0.1], dtype=torch.float64, requires_grad=True)
    for _ in range(steps):
        real, fake = logits[:1], logits[1:]
        cost = d_loss(real, fake) + weight * discriminator_l2(real, fake)
        (slope,) = torch.autograd.grad(cost, logits)
        with torch.no_grad():
            logits -= 1 / (1 + 4 * weight) * slope
    real, fake = logits[:1].detach(), logits[1:].detach()
    total = d_loss(real, fake) + weight * discriminator_l2(real, fake)
    return (real - fake).item(), d_loss(real, fake).item(), total.item()


@pytest.mark.parametrize(("weight", "wanted", "loss"), [(0.01, 4.586, 0.4027), (0.1, 1.568, 0.9980),
                                                        (1.0, 0.2353, 1.3275)])  # fmt: skip
def test_on_separable_data_the_margin_stops_where_2_weight_m_is_sigmoid_of_minus_half_m(
    weight, wanted, loss
):
    found, adversarial, total = margin(bce_d_loss, weight)
    assert found == pytest.approx(wanted, rel=3e-4)
    assert 2 * weight * found == pytest.approx(1 / (1 + math.exp(found / 2)), rel=1e-3)
    assert total == pytest.approx(loss, abs=1e-4)
    assert 0.19 < adversarial < total  # D no longer saturates


@pytest.mark.parametrize(("weight", "wanted"), [(0.05, 2.0), (0.25, 2.0), (0.4, 1.25), (1.0, 0.5)])
def test_under_the_hinge_loss_the_margin_is_the_lesser_of_2_and_1_over_2_weight(weight, wanted):
    """Falling steps: the hinge loss has a corner at 2, about which others would jump."""
    logits = torch.tensor([0.1, -0.1], dtype=torch.float64, requires_grad=True)
    for step in range(1500):
        real, fake = logits[:1], logits[1:]
        cost = hinge_d_loss(real, fake) + weight * discriminator_l2(real, fake)
        (slope,) = torch.autograd.grad(cost, logits)
        with torch.no_grad():
            logits -= 0.2 / (1 + step / 30) * slope
    assert (logits[0] - logits[1]).item() == pytest.approx(wanted, abs=0.01)


def test_a_large_weight_makes_d_undecided():
    found, adversarial, _ = margin(bce_d_loss, 100.0)
    assert 0 < found < 0.005
    assert adversarial == pytest.approx(math.log(4), abs=0.005)


def test_under_an_over_trained_d_the_generators_slope_is_larger_with_it():
    """One-dimensional, separable: the slope of G's loss in its image, minimax and not."""

    def slope(weight, g_loss):
        torch.manual_seed(0)
        critic = torch.nn.Sequential(
            torch.nn.Linear(1, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1)
        )
        adam = torch.optim.Adam(critic.parameters(), 0.02)
        real, fake = torch.full((8, 1), 1.0), torch.full((8, 1), -1.0)
        for _ in range(300):
            r, f = critic(real).flatten(), critic(fake).flatten()
            adam.zero_grad()
            (bce_d_loss(r, f) + weight * discriminator_l2(r, f)).backward()
            adam.step()
        at = fake.clone().requires_grad_()
        return torch.autograd.grad(g_loss(critic(at).flatten()), at)[0].norm().item()

    assert slope(0.1, lambda c: -softplus(c).mean()) > 5 * slope(0.0, lambda c: -softplus(c).mean())


# ---- as parts ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_gs_part_is_its_function_on_gs_own_real_batch(kind):
    recipe = shrunk(find("sngan-gl2").recipe).with_(GeneratorL2(weight=0.3, kind=kind))
    game = context(recipe, "g", GREY)
    loss = recipe.on_g[0].loss(game)
    wanted = 0.3 * by_hand(game.real.double().numpy(), game.fake.detach().double().numpy(), kind)
    assert loss.item() == pytest.approx(wanted, rel=1e-5)
    every = [*game.state.players["d"].parameters, *game.state.players["g"].parameters]
    slopes = torch.autograd.grad(loss, every, allow_unused=True)
    of_d, of_g = slopes[: len(game.state.players["d"].parameters)], slopes[-2]
    assert all(slope is None for slope in of_d)  # the distance is of images: D has no say
    assert of_g.abs().max() > 0


def test_g_draws_a_real_batch_of_its_own_where_it_is_compared_and_only_there():
    def draws(recipe):
        found = []

        def guard(result):
            found.append((result.player.name, "batch" in vars(result.context)))

        given = Iteration(0, 0, lambda player, k: inputs(recipe, GREY, seed=k), guard)
        recipe.iterate(started(recipe, GREY), given)
        return found

    assert draws(shrunk(find("sngan").recipe)) == [("d", True), ("g", False)]
    assert draws(shrunk(find("sngan-gl2").recipe)) == [("d", True), ("g", True)]


@pytest.mark.parametrize("on", ["scores", "probabilities"])
@pytest.mark.parametrize("kind", ["pair", "mean"])
def test_ds_part_is_its_function_on_scores_or_probabilities(kind, on):
    recipe = shrunk(find("sngan-dl2").recipe)
    recipe = recipe.with_(DiscriminatorL2(weight=0.7, kind=kind, on=on))
    game = context(recipe, "d", GREY)
    c, f = (t.detach().double().numpy() for t in (game.real_scores, game.fake_scores))
    if on == "probabilities":
        c, f = (1 / (1 + np.exp(-t)) for t in (c, f))
    wanted = 0.7 * (((c - f) ** 2).mean() if kind == "pair" else (c.mean() - f.mean()) ** 2)
    assert recipe.on_d[0].loss(game).item() == pytest.approx(wanted, rel=1e-4)


@pytest.mark.parametrize(("part", "player"), [(GeneratorL2, "g"), (DiscriminatorL2, "d")])
def test_a_weight_of_0_is_the_bare_game_bit_for_bit(part, player):
    bare = shrunk(find("sngan").recipe)

    def weights(recipe):
        state = started(recipe, GREY)
        for k in range(2):
            for side in ("d", "g"):
                recipe.step(StepContext(recipe, state, side, inputs(recipe, GREY, seed=k)), go_on)
        return parameters(state.players[player])

    assert differing(weights(bare.with_(part(weight=0.0))), weights(bare)) == []
    assert differing(weights(bare.with_(part(weight=1.0))), weights(bare))


# ---- what is said of them ------------------------------------------------------------------


def test_under_the_hinge_loss_a_weight_that_does_nothing_is_said_to():
    hinge = find("sagan-hinge").recipe
    (text,) = hinge.with_(DiscriminatorL2(weight=0.25)).advice()
    assert "best margin at 2" in text
    assert "objective=ns" in text
    assert not list(hinge.with_(DiscriminatorL2(weight=0.3)).advice())
    assert not list(find("sngan").recipe.with_(DiscriminatorL2(weight=0.1)).advice())


def test_a_pull_that_drowns_d_is_said_to():
    sngan = find("sngan").recipe
    (text,) = sngan.with_(GeneratorL2(weight=1.0)).advice()
    assert "blur" in text
    assert not list(sngan.with_(GeneratorL2(weight=0.5)).advice())
    assert not list(sngan.with_(GeneratorL2(weight=1.0, kind="batch_mean")).advice())


def test_probabilities_want_an_objective_that_has_them():
    part = DiscriminatorL2(on="probabilities")
    with pytest.raises(ValueError, match="objective wasserstein has none"):
        find("wgan").recipe.with_(part)
    assert find("dcgan").recipe.with_(part).on_d == (part,)


@pytest.mark.parametrize("name", ["gan", "infogan", "wgan-gp", "began", "sagan-js"])
def test_they_go_onto_any_method(name):
    recipe = shrunk(find(name).recipe).with_(GeneratorL2(), DiscriminatorL2())
    state = started(recipe, GREY)
    updates = recipe.iterate(
        state, Iteration(0, 0, lambda player, k: inputs(recipe, GREY, seed=k), go_on)
    )
    assert "generator-l2" in updates["g"].losses
    assert "discriminator-l2" in updates["d"].losses
    assert all(loss.isfinite() for u in updates.values() for loss in u.losses.values())


def test_the_linear_generator_losses_stay_as_they_were():
    """The constraint is on D: what G minimises of D's scores has no such term."""
    recipe = shrunk(find("sngan-dl2").recipe)
    game = context(recipe, "g", GREY)
    losses = recipe.losses(game)
    assert list(losses) == ["adversarial"]
    assert losses["adversarial"].item() == non_saturating_g_loss(game.fake_scores).item()
    assert hinge_g_loss(game.fake_scores).item() != losses["adversarial"].item()
