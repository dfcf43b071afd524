"""LS-GAN, the loss-sensitive one (its closed forms are in tests/game/test_margins.py)."""

import torch
from tiny import context, shrunk

from steadygan.game.context import StepContext
from steadygan.game.optimizers import Adam
from steadygan.losses.margins import LossSensitive
from steadygan.methods import find
from steadygan.recipes.overrides import override

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
    game = context(recipe, "g")
    assert torch.equal(recipe.losses(game)["adversarial"], game.fake_scores.mean())
    d = StepContext(recipe, game.state, "d", game.inputs)
    assert recipe.losses(d)["adversarial"] >= 0
