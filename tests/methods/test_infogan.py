"""InfoGAN (the bounds are in tests/game/test_information.py)."""

import math

import torch
from tiny import GREY, context, shrunk, started, trainer

from steadygan.game.optimizers import Adam
from steadygan.losses.information import MutualInformation
from steadygan.methods import find
from steadygan.priors import Coded
from steadygan.study.compose import compose
from steadygan.training import signals

INFOGAN = find("infogan")


def test_the_settings_are_those_of_the_paper():
    recipe = INFOGAN.recipe
    assert recipe.prior == Coded(dim=62, categories=10, continuous=2)
    assert recipe.prior.total_dim == 74
    assert recipe.on_d == recipe.on_g == (MutualInformation(weight=1.0, continuous_weight=0.1),)
    assert recipe.g_optimizer == Adam(lr=1e-3, betas=(0.5, 0.999))
    assert recipe.d_optimizer == Adam(lr=2e-4, betas=(0.5, 0.999))
    assert compose(INFOGAN, GREY, {"preset": "paper"}).batch == 128


def test_q_moves_with_ds_optimizer():
    state = started(shrunk(INFOGAN.recipe), GREY)
    assert any(name.startswith("q.") for name in state.players["d"].parameter_names)
    assert not any(name.startswith("q.") for name in state.players["g"].parameter_names)


def test_qs_gradient_is_that_of_the_information_alone():
    recipe = shrunk(INFOGAN.recipe)
    game = context(recipe, "d", GREY)
    seen = []
    recipe.step(game, lambda update: seen.append(list(update.gradients)))
    again = context(recipe, "d", GREY)
    player = again.state.players["d"]
    alone = torch.autograd.grad(MutualInformation().loss(again), list(player["q"].parameters()))
    of_q = [g for n, g in zip(player.parameter_names, seen[0], strict=True) if n.startswith("q.")]
    for one, other in zip(of_q, alone, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-7)


def test_the_information_bound_is_logged_and_below_log_10():
    game = trainer(shrunk(INFOGAN.recipe), GREY)
    for _ in range(3):
        game.iterate()
        line = signals.of_iteration(game.last, None)
        assert line["mutual_information"] <= math.log(10) + 1e-6
        assert "d_loss/mutual-information" in line
        assert "g_loss/mutual-information" in line


def test_information_rises_when_it_is_trained_for():
    """A tiny pair reaches two fifths of log 10 in 60 turns; without the term it stays at 0."""
    keys = {"batch": 32, "hidden": 32, "width": 4, "lr": 5e-3}
    reached = []
    for weight in (1.0, 0.0):
        part = MutualInformation(weight=weight, continuous_weight=0.1 * weight)
        game = trainer(shrunk(INFOGAN.recipe, **keys).with_(part), GREY)
        values = []
        for _ in range(60):
            game.iterate()
            values.append(game.last["g"].context.signals["mutual_information"].item())
        assert sum(values[:5]) / 5 < 0.3
        reached.append(sum(values[-5:]) / 5)
    assert reached[0] > 0.4 * math.log(10)
    assert reached[1] < 0.1
