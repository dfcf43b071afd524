"""AC-GAN (the class loss is in tests/game/test_classes.py)."""

import torch
from tiny import GREY, go_on, hand, play, shrunk, started, trainer

from steadygan.game.classes import AuxiliaryClassifier
from steadygan.game.optimizers import Adam
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
    table = started(shrunk(ACGAN.recipe), GREY)
    d = table.players["d"]
    assert set(d.modules) == {"discriminator", "classifier"}
    features = table.discriminator.features(torch.zeros(2, *GREY))
    assert table.discriminator.head(features).shape == (2, 1)
    assert d["classifier"](features).shape == (2, 4)


def test_d_is_not_told_the_class():
    game = play(shrunk(ACGAN.recipe), "d", GREY)
    assert game.told("real") == game.told("fake") == ()
    assert torch.equal(game.fake_labels, game.labels)


def test_both_losses_are_in_both_updates_and_logged():
    game = trainer(shrunk(ACGAN.recipe), GREY)
    game.play_turn()
    line = signals.of_turn(game.last, None)
    for side in "dg":
        assert line[f"{side}_loss/adversarial"] > 0
        assert line[f"{side}_loss/auxiliary-classifier"] > 0
    assert 0 <= line["class_accuracy_real"] <= 1


def test_one_forward_of_d_serves_both_heads():
    recipe = shrunk(ACGAN.recipe)
    table = started(recipe, GREY)
    seen = []
    table.discriminator.trunk.register_forward_hook(lambda *_: seen.append(1))
    recipe.step(table, lambda *_: hand(recipe, GREY), 0, 0, go_on)
    assert len(seen) == 3  # real and fake in D's update, fake in G's
