"""The first GAN."""

import torch
from tiny import context, shrunk

from steadygan.game.optimizers import SGD, Adam
from steadygan.losses.objectives import bce_d_loss, minimax_g_loss, non_saturating_g_loss
from steadygan.methods import find
from steadygan.recipes.overrides import override
from steadygan.study.compose import compose

GAN = find("gan")


def test_both_generator_losses_are_one_key_away():
    recipe = shrunk(GAN.recipe)
    assert recipe.objective.name == "ns"
    for name, loss in (("ns", non_saturating_g_loss), ("minimax", minimax_g_loss)):
        chosen = override(recipe, "objective", name)
        for player in ("d", "g"):
            game = context(chosen, player)
            value = chosen.losses(game)["adversarial"]
            wanted = bce_d_loss(game.real_scores, game.fake_scores)
            wanted = wanted if player == "d" else loss(game.fake_scores)
            assert torch.equal(value, wanted)


def test_the_settings_are_those_of_the_specification():
    recipe = GAN.recipe
    assert recipe.d_optimizer == recipe.g_optimizer == Adam(lr=2e-4, betas=(0.5, 0.999))
    assert (recipe.d_steps, recipe.g_steps, recipe.batch) == (1, 1, 64)
    networks = recipe.networks
    assert (networks.width, networks.d_width, networks.d_pieces) == (1200, 240, 5)
    assert networks.d_dropout


def test_the_papers_preset_is_its_sgd():
    recipe = compose(GAN, (1, 28, 28), {"preset": "paper"})
    assert (
        recipe.d_optimizer
        == recipe.g_optimizer
        == SGD(lr=0.1, decay=1.000004, lr_floor=1e-6, momentum=0.5, momentum_end=0.7)
    )
    assert recipe.batch == 100
    assert recipe.horizon_images == 250 * 60_000  # momentum rises over 250 epochs of MNIST
