"""R1, R2 and the Wasserstein divergence: penalties that ask for no slope."""

import math

import pytest
import torch
from tiny import GREY, context, go_on, shrunk, started
from torch import nn

from steadygan.game.context import Iteration, StepContext
from steadygan.game.part import Part
from steadygan.losses.objectives import bce_d_loss, minimax_g_loss
from steadygan.losses.penalties import (
    R1,
    R2,
    GradientPenalty,
    WassersteinDivergence,
    interpolates,
    r1_penalty,
    r2_penalty,
    wasserstein_divergence,
)
from steadygan.methods import find

SHAPE = (5, 2, 3, 3)
BARE = find("dcgan").recipe.changed(networks={"name": "dcgan", "d_norm": "none"})


def samples(seed=0):
    random = torch.Generator().manual_seed(seed)
    return torch.rand(SHAPE, generator=random, dtype=torch.float64) * 2 - 1


def direction(norm, seed=1):
    random = torch.Generator().manual_seed(seed)
    u = torch.randn(18, generator=random, dtype=torch.float64)
    return (u / u.norm() * norm).requires_grad_(True)


def linear(u):
    return lambda x: x.flatten(1) @ u


def seeded(seed=7):
    return torch.Generator().manual_seed(seed)


# ---- R1 and R2 -----------------------------------------------------------------------------


@pytest.mark.parametrize("penalty", [r1_penalty, r2_penalty])
def test_a_constant_critic_costs_nothing_and_its_weights_have_finite_slopes(penalty):
    u = torch.zeros(18, dtype=torch.float64, requires_grad=True)
    cost = penalty(lambda x: linear(u)(x) + 3.0, samples())
    assert cost == 0
    (slope,) = torch.autograd.grad(cost, u)
    assert torch.equal(slope, torch.zeros(18, dtype=torch.float64))


@pytest.mark.parametrize("penalty", [r1_penalty, r2_penalty])
@pytest.mark.parametrize("norm", [0.3, 1.0, 4.0])
def test_a_linear_critic_costs_half_its_squared_slope(penalty, norm):
    u = direction(norm)
    cost = penalty(linear(u), samples())
    assert cost.item() == pytest.approx(norm**2 / 2, rel=1e-12)
    (slope,) = torch.autograd.grad(cost, u)
    torch.testing.assert_close(slope, u.detach(), rtol=1e-12, atol=0)


@pytest.mark.parametrize("penalty", [r1_penalty, r2_penalty])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_small_networks_penalty_is_its_formula(penalty, dtype):
    """C(x) = b tanh(A x): grad C = A^T (b (1 - tanh^2))."""
    random = torch.Generator().manual_seed(3)
    a = torch.randn(7, 18, generator=random, dtype=torch.float64)
    b = torch.randn(7, generator=random, dtype=torch.float64)
    x = samples()
    hidden = torch.tanh(x.flatten(1) @ a.T)
    wanted = (((1 - hidden**2) * b) @ a).pow(2).sum(1).mean() / 2
    a_in, b_in = a.to(dtype), b.to(dtype)
    got = penalty(lambda v: torch.tanh(v.flatten(1) @ a_in.T) @ b_in, x.to(dtype))
    assert got.dtype == dtype
    assert got.item() == pytest.approx(wanted.item(), rel=1e-12 if dtype == torch.float64 else 1e-5)


def test_fakes_are_constants():
    fake = samples().requires_grad_(True)
    u = direction(1.0)
    cost = r2_penalty(lambda x: x.flatten(1).square() @ u, fake)
    assert torch.autograd.grad(cost, fake, allow_unused=True) == (None,)


@pytest.mark.parametrize(("part", "kind"), [(R1, "real"), (R2, "fake")])
def test_the_part_is_its_function_times_gamma_at_its_own_samples(part, kind):
    game = context(shrunk(BARE.with_(part(weight=3.0))), "d")
    wanted = {"real": r1_penalty, "fake": r2_penalty}[kind](
        game.state.discriminator, getattr(game, kind)
    )
    (own,) = game.recipe.on_d
    assert own.loss(game).item() == pytest.approx(3.0 * wanted.item(), rel=1e-5)
    assert game.signals[f"critic_gradient_norm_{kind}"] > 0
    other = r1_penalty(game.state.discriminator, getattr(game, {"real": "fake"}.get(kind, "real")))
    assert abs(other.item() / wanted.item() - 1) > 1e-3  # or the test could not tell them apart


@pytest.mark.parametrize(
    ("images", "share"), [(0, 1.0), (500, 0.55), (1000, 0.1), (5000, 0.1)]
)  # fmt: skip
def test_gamma_falls_in_a_straight_line_to_its_share_over_the_horizon(images, share):
    recipe = shrunk(BARE.with_(R1(weight=2.0, weight_end=0.1), horizon_images=1000))
    costs = [
        r.losses(context(r, "d", images=images))["r1"].item()
        for r in (recipe, recipe.with_(R1(weight=2.0)))
    ]
    assert costs[0] == pytest.approx(share * costs[1], rel=1e-5)


class Counting(nn.Module):
    """C(x) = |x|^2 / 2, scaled by a weight; counts its forwards."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.forwards = 0

    def forward(self, x):
        self.forwards += 1
        return self.scale * x.flatten(1).square().sum(1) / 2


def counted(*parts, **changes):
    recipe = shrunk(BARE.with_(*parts, **changes))
    game = context(recipe, "d", GREY)
    critic = Counting()
    game.state.players["d"].modules["discriminator"] = critic
    return game, critic, recipe.losses(game)


def test_r1_and_r2_cost_no_forward_of_their_own():
    assert counted()[1].forwards == 2
    assert counted(R1(), R2())[1].forwards == 2
    assert counted(R1(), R2(), GradientPenalty())[1].forwards == 3


def test_the_slopes_are_those_at_real_samples_and_at_fakes():
    """C(x) = |x|^2 / 2 has the slope |x|."""
    game, _, losses = counted(R1(weight=1.0), R2(weight=1.0))
    for name, batch in (("r1", game.real), ("r2", game.fake)):
        wanted = batch.flatten(1).square().sum(1).mean() / 2
        assert losses[name].item() == pytest.approx(wanted.item(), rel=1e-5)


class Doubled(Part):
    """Shows D twice the samples."""

    sides = ("shared",)

    def augment(self, context, samples, kind):
        return 2 * samples


def test_where_d_is_shown_changed_samples_the_slope_is_still_that_of_the_samples():
    """C(2 x) = |2 x|^2 / 2 has the slope 4 |x| in x, and 2 |x| in 2 x."""
    game, _, losses = counted(R1(weight=1.0), Doubled())
    wanted = 16 * game.real.flatten(1).square().sum(1).mean() / 2
    assert losses["r1"].item() == pytest.approx(wanted.item(), rel=1e-5)


def test_joint_batches_have_the_same_penalties_where_d_has_no_batch_norm():
    separate, joint = (
        counted(R1(), R2(), joint_batches=joint)[2] for joint in (False, True)
    )  # fmt: skip
    for name in ("r1", "r2"):
        assert joint[name].item() == pytest.approx(separate[name].item(), rel=1e-5)


def test_only_d_and_only_for_who_asks_differentiates_its_inputs():
    recipe = shrunk(BARE.with_(R1()))
    game = context(recipe, "d")
    recipe.losses(game)
    assert game.input_gradient("real") is game.input_gradient("real")
    with pytest.raises(KeyError):
        game.input_gradient("fake")
    assert not game.real.requires_grad
    player = StepContext(recipe, game.state, "g", game.inputs)
    assert list(recipe.losses(player)) == ["adversarial"]


def test_a_turn_with_shared_latents_still_reaches_g():
    recipe = shrunk(BARE.with_(R1(), R2(), shared_latents=True))
    state = started(recipe)
    game = context(recipe, "d")
    updates = recipe.iterate(state, Iteration(0, 0, lambda player, k: game.inputs, go_on))
    assert updates["g"].gradient_norm > 0


def test_batch_norm_in_d_is_advised_against():
    (text,) = find("dcgan").recipe.with_(R1()).advice()
    assert text.startswith("r1 penalises")
    assert not list(BARE.with_(R1(), R2()).advice())


def orbit(gamma, steps=400, rate=0.1):
    """Radii |(theta, psi)| of a Dirac-GAN: real at 0, fake at theta, C(x) = psi x, zero-sum binary
    cross entropy, alternating steps. Mescheder et al. 2018, Definition 2.1."""
    theta, psi = (torch.ones(1, 1, dtype=torch.float64) for _ in range(2))
    real, radii = torch.zeros(1, 1, dtype=torch.float64), []
    for _ in range(steps):
        weight = psi.clone().requires_grad_(True)
        loss = bce_d_loss(real @ weight, theta @ weight)
        loss = loss + gamma * r1_penalty(lambda x, w=weight: x @ w, real)
        psi = psi - rate * torch.autograd.grad(loss, weight)[0]
        fake = theta.clone().requires_grad_(True)
        theta = theta - rate * torch.autograd.grad(minimax_g_loss(fake @ psi), fake)[0]
        radii.append(math.hypot(theta.item(), psi.item()))
    return radii


def test_on_the_dirac_gan_the_bare_game_orbits_and_r1_converges():
    bare, held = orbit(0.0), orbit(1.0)
    assert 1.2 < min(bare[-200:]) < max(bare[-200:]) < 1.7
    assert held[-1] < 1e-3


# ---- the Wasserstein divergence ------------------------------------------------------------


@pytest.mark.parametrize("power", [2.0, 3.5, 6.0])
@pytest.mark.parametrize("norm", [0.0, 0.5, 1.0, 2.0])
def test_a_linear_critic_costs_the_power_of_its_slope(norm, power):
    """Least at slope 0: no term is centred at 1."""
    u, seen = direction(norm), []
    cost = wasserstein_divergence(
        linear(u), samples(), samples(1), seeded(), power=power, on_norms=seen.append
    )
    assert cost.item() == pytest.approx(norm**power, rel=1e-9, abs=1e-15)
    (slope,) = torch.autograd.grad(cost, u)
    wanted = power * norm ** (power - 2) * u.detach()
    torch.testing.assert_close(slope, wanted, rtol=1e-9, atol=1e-15)
    assert seen[0].tolist() == pytest.approx([norm] * 5)
    assert not seen[0].requires_grad


def test_the_divergence_looks_at_points_between_real_and_fake():
    cost = wasserstein_divergence(
        lambda x: x.flatten(1).square().sum(1) / 2, samples(), samples(1), seeded(), power=6.0
    )
    at = interpolates(samples(), samples(1), seeded()).flatten(1)
    assert cost.item() == pytest.approx(at.pow(2).sum(1).pow(3).mean().item(), rel=1e-9)


def test_the_divergences_part_is_its_function_weighted():
    game, critic, losses = counted(WassersteinDivergence(weight=0.5, power=2.0))
    wanted = wasserstein_divergence(
        critic, game.real, game.fake, game.generator("penalties"), power=2.0
    )
    assert losses["wasserstein-divergence"].item() == pytest.approx(0.5 * wanted.item(), rel=1e-6)
    assert game.signals["critic_gradient_norm"] > 0
    assert WassersteinDivergence().weight == 2.0
    assert WassersteinDivergence().power == 6.0
