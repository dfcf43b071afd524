"""Critic warm-up: when the critic gets its 100 steps; and gradients clipped by value."""

import numpy as np
import pytest
import torch
from tiny import context, go_on, inputs, parameters, shrunk, started

from steadygan.game.context import Iteration
from steadygan.game.optimizers import SGD
from steadygan.methods import find
from steadygan.parts.tricks import CriticWarmup, GradientClip


def test_100_steps_in_the_first_25_turns_and_every_500th():
    recipe = find("wgan").recipe.with_(CriticWarmup())
    warm = [iteration for iteration in range(2001) if recipe.steps("d", iteration) == 100]
    assert warm == [*range(25), 500, 1000, 1500, 2000]
    assert {recipe.steps("d", iteration) for iteration in range(2001)} == {5, 100}
    assert {recipe.steps("g", iteration) for iteration in range(2001)} == {1}


def test_it_is_off_by_default():
    assert find("wgan").recipe.shared == ()
    assert {find("wgan").recipe.steps("d", iteration) for iteration in range(600)} == {5}


def test_the_turn_is_played_and_counted_with_its_steps():
    trick = CriticWarmup(turns=1, every=3, d_steps=4)
    recipe = shrunk(find("wgan").recipe.with_(trick), d_steps=2)
    state = started(recipe)
    for iteration, wanted in enumerate([4, 2, 2, 4, 2]):
        players = []

        def given(player, k, players=players):
            players.append(player)
            return inputs(recipe)

        recipe.iterate(state, Iteration(iteration, 0, given, go_on))
        assert players == ["d"] * wanted + ["g"]
        assert recipe.images_in(iteration) == wanted * recipe.batch


@pytest.mark.parametrize("name", ["gan", "dcgan", "infogan", "began", "ebgan", "ragan", "rpgan"])
def test_it_wants_a_critic_and_no_threshold_is_not_enough(name):
    with pytest.raises(ValueError, match=r"critic-warmup wants a critic.*: loss-sensitive, wass"):
        find(name).recipe.with_(CriticWarmup())


@pytest.mark.parametrize("name", ["wgan", "wgan-gp", "wgan-div", "ls-gan", "gan-qp"])
def test_every_critic_takes_it(name):
    assert CriticWarmup() in find(name).recipe.with_(CriticWarmup()).shared


# ---- clipped gradients ---------------------------------------------------------------------


def clipped(value, player, seed=0):
    """The gradients of an update before and after `gradient-clip`, and the update."""
    recipe = shrunk(find("dcgan").recipe).with_(GradientClip(value=value))
    game, before = context(recipe, player, seed=seed), []
    update = recipe.step(game, lambda update: before.extend(g.clone() for g in update.gradients))
    return before, update.gradients, update


@pytest.mark.parametrize("player", ["d", "g"])
def test_every_element_of_a_gradient_is_clipped_and_the_rest_stays(player):
    before, after, update = clipped(1e-3, player)
    for raw, found in zip(before, after, strict=True):
        np.testing.assert_array_equal(found.numpy(), np.clip(raw.numpy(), -1e-3, 1e-3))
    assert max(g.abs().max() for g in before) > 1e-3 >= max(g.abs().max() for g in after)
    raw = torch.cat([g.flatten() for g in before])
    assert update.gradient_norm.item() == pytest.approx(raw.norm().item(), rel=1e-5)


def test_a_bound_above_every_gradient_changes_nothing():
    before, after, _ = clipped(1e6, "d")
    assert all(torch.equal(raw, found) for raw, found in zip(before, after, strict=True))
    assert GradientClip().value == 1.0


def test_the_step_is_taken_along_the_clipped_gradient():
    """SGD without momentum moves by lr times what is left: at most lr times the bound."""
    still = SGD(lr=1.0, decay=1.0, momentum=0.0, momentum_end=0.0)
    recipe = shrunk(find("dcgan").recipe).with_(GradientClip(value=1e-3), optimizer=still)
    game = context(recipe, "d")
    before = parameters(game.state.players["d"])
    update = recipe.step(game, go_on)
    after = parameters(game.state.players["d"])
    for name, gradient in zip(update.player.parameter_names, update.gradients, strict=True):
        torch.testing.assert_close(after[name], before[name] - gradient, rtol=0, atol=1e-6)
    assert max((after[n] - before[n]).abs().max() for n in after).item() == pytest.approx(
        1e-3, rel=1e-3
    )
