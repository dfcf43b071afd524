"""Critic warm-up: when the critic gets its 100 steps; and gradients clipped by value."""

import numpy as np
import pytest
import torch
from tiny import go_on, hand, parameters, play, shrunk, started

from steadygan.game.optimizers import SGD
from steadygan.game.tricks import CriticWarmup, GradientClip
from steadygan.methods import find


def test_100_steps_in_the_first_25_turns_and_every_500th():
    recipe = find("wgan").recipe.with_(CriticWarmup())
    warm = [turn for turn in range(2001) if recipe.steps("d", turn) == 100]
    assert warm == [*range(25), 500, 1000, 1500, 2000]
    assert {recipe.steps("d", turn) for turn in range(2001)} == {5, 100}
    assert {recipe.steps("g", turn) for turn in range(2001)} == {1}


def test_it_is_off_by_default():
    assert find("wgan").recipe.tricks == ()
    assert {find("wgan").recipe.steps("d", turn) for turn in range(600)} == {5}


def test_the_turn_is_played_and_counted_with_its_steps():
    trick = CriticWarmup(turns=1, every=3, d_steps=4)
    recipe = shrunk(find("wgan").recipe.with_(trick), d_steps=2)
    table = started(recipe)
    for turn, wanted in enumerate([4, 2, 2, 4, 2]):
        movers = []
        recipe.step(table, lambda m, k, movers=movers: movers.append(m) or hand(recipe), turn, 0,
                    go_on)  # fmt: skip
        assert movers == ["d"] * wanted + ["g"]
        assert recipe.images_in(turn) == wanted * recipe.batch


@pytest.mark.parametrize("name", ["gan", "dcgan", "infogan", "began", "ebgan", "ragan", "rpgan"])
def test_it_wants_a_critic_and_no_threshold_is_not_enough(name):
    with pytest.raises(ValueError, match=r"critic-warmup wants a critic.*: loss-sensitive, wass"):
        find(name).recipe.with_(CriticWarmup())


@pytest.mark.parametrize("name", ["wgan", "wgan-gp", "wgan-div", "ls-gan", "gan-qp"])
def test_every_critic_takes_it(name):
    assert CriticWarmup() in find(name).recipe.with_(CriticWarmup()).tricks


# ---- clipped gradients ---------------------------------------------------------------------


def clipped(value, mover, seed=0):
    """The gradients of an update before and after `gradient-clip`, and the update."""
    recipe = shrunk(find("dcgan").recipe).with_(GradientClip(value=value))
    game, before = play(recipe, mover, seed=seed), []
    update = recipe.update(game, lambda update: before.extend(g.clone() for g in update.gradients))
    return before, update.gradients, update


@pytest.mark.parametrize("mover", ["d", "g"])
def test_every_element_of_a_gradient_is_clipped_and_the_rest_stays(mover):
    before, after, update = clipped(1e-3, mover)
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
    game = play(recipe, "d")
    before = parameters(game.table.players["d"])
    update = recipe.update(game, go_on)
    after = parameters(game.table.players["d"])
    for name, gradient in zip(update.player.parameter_names, update.gradients, strict=True):
        torch.testing.assert_close(after[name], before[name] - gradient, rtol=0, atol=1e-6)
    assert max((after[n] - before[n]).abs().max() for n in after).item() == pytest.approx(
        1e-3, rel=1e-3
    )
