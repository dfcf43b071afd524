"""LS-GAN, the loss-sensitive one (its closed forms are in tests/game/test_margins.py)."""

import torch
from tiny import play, shrunk

from steadygan.game.margins import LossSensitive
from steadygan.game.optimizers import Adam
from steadygan.game.overrides import override
from steadygan.game.play import Play
from steadygan.methods import find

LS_GAN = find("ls-gan")


def test_the_settings_are_those_of_the_authors_code():
    recipe = LS_GAN.recipe
    assert recipe.objective == LossSensitive(margin=2e-4 * 12_288, leak=0.0, real_weight=0.0)
    assert recipe.d_optimizer == recipe.g_optimizer == Adam(lr=1e-4, betas=(0.5, 0.999))
    assert (recipe.prior.name, recipe.prior.dim, recipe.batch) == ("uniform", 100, 64)


def test_it_is_not_the_least_squares_gan():
    assert LS_GAN.recipe.objective.name == "loss-sensitive"
    assert find("ls_gan") is LS_GAN


def test_the_leak_is_one_key_away():
    assert override(LS_GAN.recipe, "objective.leak", "0.2").objective.leak == 0.2


def test_g_lowers_its_samples_loss():
    recipe = shrunk(LS_GAN.recipe)
    game = play(recipe, "g")
    assert torch.equal(recipe.losses(game)["adversarial"], game.fake_scores.mean())
    d = Play(recipe, game.table, "d", game.hand)
    assert recipe.losses(d)["adversarial"] >= 0
