"""The base of all penalties: points, cost, and every n-th step; the one-sided penalty."""

import numpy as np
import pytest
import torch
from tiny import context, go_on, inputs, shrunk, started

from steadygan.game.context import Iteration
from steadygan.losses.penalties import (
    R1,
    R2,
    GradientPenalty,
    LipschitzPenalty,
    LocalGradientPenalty,
    Penalty,
    WassersteinDivergence,
    lipschitz_penalty,
)
from steadygan.methods import find

ALL = [GradientPenalty, LipschitzPenalty, LocalGradientPenalty, WassersteinDivergence, R1, R2]


def recipe_with(part):
    return shrunk(find("sngan").recipe.without("spectral-norm")).with_(part)


@pytest.mark.parametrize("norm", [0.25, 1.0, 3.0])
def test_the_one_sided_penalty_costs_only_slopes_above_1(norm):
    random = torch.Generator().manual_seed(0)
    real, fake = torch.rand(2, 6, 3, 8, 8, generator=random, dtype=torch.float64)
    u = torch.randn(real[0].numel(), generator=random, dtype=torch.float64)
    u = u / u.norm() * norm
    cost = lipschitz_penalty(lambda x: x.flatten(1) @ u, real, fake, random)
    assert cost.item() == pytest.approx(max(0.0, norm - 1) ** 2, abs=1e-9)


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.name)
def test_every_part_is_its_cost_of_the_gradients_at_its_points(kind):
    """By an own double backward in float64 where the part runs in float32."""
    part = kind(weight=3.0)
    game = context(recipe_with(part), "d")
    if kind in (R1, R2):
        at = game.real if kind is R1 else game.fake
    else:
        at = part.points(game)
        game = context(recipe_with(part), "d")  # the streams from their beginning
    critic = game.state.discriminator.double()
    at = at.detach().double().requires_grad_(True)
    (gradient,) = torch.autograd.grad(critic(at).sum(), at)
    norms = gradient.flatten(1).norm(dim=1).numpy()
    wanted = {
        "gradient-penalty": (norms - 1) ** 2, "lipschitz-penalty": np.maximum(norms - 1, 0) ** 2,
        "local-gradient-penalty": (norms - 1) ** 2, "wasserstein-divergence": norms**6,
        "r1": norms**2 / 2, "r2": norms**2 / 2,
    }[part.name]  # fmt: skip
    critic.float()
    assert part.loss(game).item() == pytest.approx(3.0 * wanted.mean(), rel=2e-4)


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.name)
def test_every_nth_step_it_weighs_n_times_as_much_and_else_nothing(kind):
    lazy, plain = kind(every=4), kind()
    for iteration, k in ((0, 0), (1, 0), (3, 0), (4, 0), (7, 0)):
        recipe = recipe_with(lazy).changed(d_steps=1)
        found = lazy.loss(context(recipe, "d", iteration=iteration, k=k))
        if (iteration + 1) % 4:
            assert found is None
        else:
            whole = plain.loss(context(recipe_with(plain), "d", iteration=iteration, k=k))
            assert found.item() == pytest.approx(4 * whole.item(), rel=1e-6)


def test_steps_are_counted_through_iterations_of_several():
    part = LipschitzPenalty(every=4)
    recipe = recipe_with(part).changed(d_steps=3)
    state, seen = started(recipe), []

    def guard(result):
        if result.player.name == "d":
            seen.append((result.context.index, part.name in result.losses))

    for index in range(3):
        given = Iteration(index, 0, lambda player, k: inputs(recipe), guard)
        recipe.iterate(state, given)
    assert seen == [(step, step % 4 == 3) for step in range(9)]


def test_a_penalty_of_ones_own_is_points_and_cost():
    class Ring(Penalty):
        name = "test-ring"

        def points(self, context):
            return context.real

        def cost(self, squares):
            return squares

    own, r1 = Ring(weight=2.0), R1(weight=4.0)
    found, wanted = (p.loss(context(recipe_with(p), "d")).item() for p in (own, r1))
    assert found == pytest.approx(wanted, rel=1e-5)
    recipe = recipe_with(own)
    assert recipe.step(context(recipe, "d"), go_on).losses[own.name].item() > 0
