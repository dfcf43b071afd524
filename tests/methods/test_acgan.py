"""AC-GAN (the class loss is in tests/game/test_classes.py)."""

import torch
from tiny import GREY, context, go_on, inputs, shrunk, started, trainer

from steadygan.game.context import Iteration
from steadygan.game.optimizers import Adam
from steadygan.losses.classes import AuxiliaryClassifier
from steadygan.methods import find
from steadygan.study.compose import compose
from steadygan.training import signals

ACGAN = find("acgan")


def test_the_settings_are_those_of_the_paper():
    recipe = ACGAN.recipe
    assert recipe.on_d == recipe.on_g == (AuxiliaryClassifier(weight=1.0, g_weight=1.0),)
    assert recipe.d_optimizer == recipe.g_optimizer == Adam(lr=2e-4, betas=(0.5, 0.999))
    assert compose(ACGAN, GREY, {"preset": "paper"}).batch == 100


def test_d_has_both_heads_on_one_set_of_features():
    state = started(shrunk(ACGAN.recipe), GREY)
    d = state.players["d"]
    assert set(d.modules) == {"discriminator", "classifier"}
    features = state.discriminator.features(torch.zeros(2, *GREY))
    assert state.discriminator.head(features).shape == (2, 1)
    assert d["classifier"](features).shape == (2, 4)


def test_d_is_not_told_the_class():
    game = context(shrunk(ACGAN.recipe), "d", GREY)
    assert game.condition("real") == game.condition("fake") == ()
    assert torch.equal(game.fake_labels, game.labels)


def test_both_losses_are_in_both_updates_and_logged():
    game = trainer(shrunk(ACGAN.recipe), GREY)
    game.iterate()
    line = signals.of_iteration(game.last, None)
    for side in "dg":
        assert line[f"{side}_loss/adversarial"] > 0
        assert line[f"{side}_loss/auxiliary-classifier"] > 0
    assert 0 <= line["class_accuracy_real"] <= 1


def test_one_forward_of_d_serves_both_heads():
    recipe = shrunk(ACGAN.recipe)
    state = started(recipe, GREY)
    seen = []
    state.discriminator.trunk.register_forward_hook(lambda *_: seen.append(1))
    recipe.iterate(state, Iteration(0, 0, lambda *_: inputs(recipe, GREY), go_on))
    assert len(seen) == 3  # real and fake in D's update, fake in G's
