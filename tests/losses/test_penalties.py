"""The gradient penalty: closed forms, double backward, and how exact it is."""

import pytest
import torch
from tiny import context, shrunk, started

from steadygan.game.draws import one_per_sample
from steadygan.losses.objectives import wasserstein_d_loss
from steadygan.losses.penalties import (
    GradientPenalty,
    gradient_penalty,
    input_gradient_norm,
    interpolates,
)
from steadygan.methods import find
from steadygan.networks import DCGANNetworks

SHAPE = (6, 3, 8, 8)


def pair(seed=0, shape=SHAPE, dtype=torch.float32):
    random = torch.Generator().manual_seed(seed)
    made = [torch.rand(shape, generator=random, dtype=torch.float64) * 2 - 1 for _ in range(2)]
    return [t.to(dtype) for t in made]


def seeded(seed=7):
    return torch.Generator().manual_seed(seed)


def linear(u):
    return lambda x: x.flatten(1) @ u


@pytest.mark.parametrize("norm", [0.0, 0.25, 1.0, 3.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_linear_critic_costs_what_its_slope_is_off_by(norm, dtype):
    real, fake = pair(dtype=dtype)
    u = torch.randn(real[0].numel(), generator=seeded(), dtype=torch.float64)
    u = (u / u.norm() * norm).to(dtype).requires_grad_(True)
    seen = []
    cost = gradient_penalty(linear(u), real, fake, seeded(), on_norms=seen.append)
    # At 0 the eps under the root shows: the norm is 1e-6 there, the cost 2e-6 off.
    tolerance = 2.1e-6 if norm == 0 else 1e-6
    assert cost.item() == pytest.approx((norm - 1) ** 2, rel=1e-6, abs=tolerance)
    assert seen[0].shape == (6,)
    assert seen[0].tolist() == pytest.approx([norm] * 6, abs=2e-6)
    assert not seen[0].requires_grad


@pytest.mark.parametrize("target", [0.0, 0.5, 2.0])
def test_the_target_is_the_slope_that_costs_nothing(target):
    real, fake = pair(dtype=torch.float64)
    u = torch.zeros(real[0].numel(), dtype=torch.float64)
    u[3] = 2.0
    cost = gradient_penalty(linear(u), real, fake, seeded(), target=target)
    assert cost.item() == pytest.approx((2.0 - target) ** 2, abs=1e-6)


def test_the_slope_of_the_penalty_reaches_the_weights_and_is_right():
    """d/du (|u| - 1)^2 = 2 (|u| - 1) u / |u|: only a double backward can know it."""
    real, fake = pair(dtype=torch.float64)
    u = torch.randn(real[0].numel(), generator=seeded(), dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(gradient_penalty(linear(u), real, fake, seeded()), u)
    norm = u.detach().norm()
    torch.testing.assert_close(slope, 2 * (norm - 1) * u.detach() / norm, rtol=1e-6, atol=1e-9)


def test_samples_are_judged_at_points_between_real_and_fake():
    """C(x) = |x|^2 / 2 has the slope |x|: the norms tell where the penalty looked."""
    real, fake = pair(dtype=torch.float64)
    seen = []
    gradient_penalty(
        lambda x: x.flatten(1).square().sum(1) / 2, real, fake, seeded(), on_norms=seen.append
    )
    at = interpolates(real, fake, seeded()).flatten(1).norm(dim=1)
    torch.testing.assert_close(seen[0], at, rtol=1e-9, atol=0)


@pytest.mark.parametrize("shape", [(6, 3, 8, 8), (5, 2), (4, 1, 28, 28)])
def test_eps_is_one_number_a_sample(shape):
    real, fake = pair(shape=shape, dtype=torch.float64)
    eps = one_per_sample(real, seeded())
    assert eps.shape == (shape[0],) + (1,) * (len(shape) - 1)
    assert eps.dtype == real.dtype
    assert len(set(eps.flatten().tolist())) == shape[0]
    assert ((eps >= 0) & (eps < 1)).all()
    between = interpolates(real, fake, seeded())
    torch.testing.assert_close(between, eps * real + (1 - eps) * fake, rtol=1e-12, atol=1e-12)


def test_eps_is_uniform_and_follows_its_generator():
    many = one_per_sample(torch.zeros(20_000, 1), seeded()).flatten()
    deciles = torch.histc(many, 10, 0, 1) / len(many)
    assert (deciles - 0.1).abs().max() < 0.01
    again = one_per_sample(torch.zeros(20_000, 1), seeded()).flatten()
    assert torch.equal(many, again)
    assert not torch.equal(many, one_per_sample(torch.zeros(20_000, 1), seeded(8)).flatten())


def test_no_nan_at_zero_gradient():
    """Without the eps under the root, the slope of sqrt at 0 is infinite and 0 * inf is NaN."""
    real, fake = pair()
    u = torch.zeros(real[0].numel(), requires_grad=True)
    cost = gradient_penalty(linear(u), real, fake, seeded())
    (slope,) = torch.autograd.grad(cost, u)
    assert cost.item() == pytest.approx(1.0, abs=1e-5)
    assert slope.isfinite().all()


def test_fake_is_a_constant_and_real_is_not_touched():
    real, fake = pair()
    fake.requires_grad_(True)
    u = torch.ones(real[0].numel(), requires_grad=True)
    cost = gradient_penalty(lambda x: x.flatten(1).square() @ u, real, fake, seeded())
    assert torch.autograd.grad(cost, fake, allow_unused=True) == (None,)
    assert not real.requires_grad


def test_each_sample_is_measured_on_its_own():
    real, fake = pair()
    critic = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 4), torch.nn.Tanh(),
                                 torch.nn.Linear(4, 1))  # fmt: skip
    at = interpolates(real, fake, seeded())
    together = input_gradient_norm(critic, at)
    alone = torch.cat([input_gradient_norm(critic, x[None]) for x in at])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-7)
    assert together.std() > 1e-4  # or the test could not see a mean over the batch


@pytest.mark.parametrize("distance", [0.3, 1.0, 2.0])
@pytest.mark.parametrize("weight", [0.1, 10.0])
def test_two_point_masses_have_the_slope_and_the_estimate_of_the_closed_form(distance, weight):
    """Slope 1 + d / 2 lambda, estimate d + d^2 / 2 lambda, optimum d + d^2 / 4 lambda."""
    real = torch.full((4, 1), distance, dtype=torch.float64)
    fake = torch.zeros(4, 1, dtype=torch.float64)
    slope = torch.tensor([0.5], dtype=torch.float64, requires_grad=True)
    for _ in range(60):
        critic = linear(slope)
        adversarial = wasserstein_d_loss(critic(real), critic(fake))
        loss = adversarial + weight * gradient_penalty(critic, real, fake, seeded())
        (gradient,) = torch.autograd.grad(loss, slope)
        with torch.no_grad():
            slope -= 0.4 / weight * gradient
    assert slope.item() == pytest.approx(1 + distance / (2 * weight), rel=1e-6)
    assert -adversarial.item() == pytest.approx(distance + distance**2 / (2 * weight), rel=1e-6)
    assert -loss.item() == pytest.approx(distance + distance**2 / (4 * weight), rel=1e-6)


# ---- precision -----------------------------------------------------------------------------


def penalised(dtype, autocast=False):
    """Penalty and its weight gradients of one convolutional critic, at the same points."""
    torch.manual_seed(3)
    built = DCGANNetworks(width=8, stages=3, d_norm="none").build((3, 16, 16), 8)
    critic = built["discriminator"]
    with torch.no_grad():  # at N(0, .02) the critic is flat, and every penalty is nearly 1
        for weight in critic.parameters():
            weight.mul_(8)
    critic = critic.to(dtype)
    real, fake = pair(shape=(8, 3, 16, 16), dtype=dtype)

    def scores(x):
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            return critic(x).to(dtype)

    cost = gradient_penalty(scores, real, fake, seeded())
    gradients = torch.autograd.grad(cost, list(critic.parameters()), materialize_grads=True)
    return cost.item(), torch.cat([g.flatten() for g in gradients]).double()


def test_the_float32_penalty_is_the_float64_one_to_1e5():
    exact, exact_slope = penalised(torch.float64)
    single, single_slope = penalised(torch.float32)
    assert 0.05 < exact < 20
    assert single == pytest.approx(exact, rel=1e-5)
    assert (single_slope - exact_slope).norm() < 1e-5 * exact_slope.norm()


def test_the_penalty_under_bf16_autocast_is_the_float64_one_to_3_percent():
    """bf16 keeps 8 bits, 0.4 % a product; the slope of the penalty is a product of many: 10 %."""
    exact, exact_slope = penalised(torch.float64)
    rounded, rounded_slope = penalised(torch.float32, autocast=True)
    assert rounded != penalised(torch.float32)[0]  # autocast was really on
    assert rounded == pytest.approx(exact, rel=0.03)
    assert (rounded_slope - exact_slope).norm() < 0.1 * exact_slope.norm()


# ---- as a part -----------------------------------------------------------------------------


def test_the_part_is_its_function_weighted_on_the_plays_own_tensors():
    recipe = shrunk(find("wgan-gp").recipe, **{"gradient-penalty.weight": 3.0})
    game = context(recipe, "d")
    part = recipe.on_d[0]
    wanted = 3.0 * gradient_penalty(
        game.state.discriminator, game.real, game.fake, game.generator("penalties")
    )
    assert part.loss(game).item() == pytest.approx(wanted.item(), rel=1e-6)
    norms = game.signals["critic_gradient_norm"].item()
    assert norms > 0
    assert game.signals["critic_gradient_norm_std"].item() < norms


def test_the_parts_target_reaches_the_function():
    base = shrunk(find("wgan-gp").recipe)
    costs = [
        GradientPenalty(weight=1.0, target=target).loss(context(base, "d")).item()
        for target in (0.0, 1.0)
    ]
    norm_squared, one_off = costs
    assert norm_squared < 0.05 < 0.5 < one_off  # a fresh critic is nearly flat


def test_batch_norm_in_d_is_advised_against():
    penalty = GradientPenalty()
    dcgan = find("dcgan").recipe
    (text,) = dcgan.with_(penalty).advice()
    assert "gradient-penalty" in text
    assert "d_norm=none" in text
    assert not list(dcgan.with_(penalty, networks=DCGANNetworks(d_norm="none")).advice())
    assert not list(find("wgan-gp").recipe.advice())
    assert not list(find("gan").recipe.with_(penalty).advice())


def test_the_penaltys_forward_leaves_d_as_it_was():
    recipe = shrunk(find("dcgan").recipe.with_(GradientPenalty()))
    state = started(recipe)
    game = context(recipe, "d")
    game.state = state
    before = {k: v.clone() for k, v in state.discriminator.named_buffers()}
    recipe.on_d[0].loss(game)
    for key, value in state.discriminator.named_buffers():
        assert torch.equal(value, before[key]), key
