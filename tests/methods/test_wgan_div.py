"""WGAN-div (the penalty is in tests/game/test_zero_centred.py)."""

import pytest
import torch
from tiny import IMAGE, play, shrunk, started
from torch import nn

from steadygan.game.optimizers import Adam
from steadygan.game.penalties import WassersteinDivergence
from steadygan.game.play import Play
from steadygan.methods import find
from steadygan.study.compose import compose

WGAN_DIV = find("wgan-div")


def test_the_settings_are_those_of_the_paper_and_its_code():
    recipe = WGAN_DIV.recipe
    assert recipe.on_d == (WassersteinDivergence(weight=2.0, power=6.0),)
    assert (recipe.d_steps, recipe.batch) == (4, 64)
    assert recipe.d_optimizer == recipe.g_optimizer == Adam(lr=2e-4, betas=(0.0, 0.9))
    assert compose(WGAN_DIV, IMAGE, {"preset": "paper"}).networks.width == 128


def test_the_critic_has_no_batch_norm():
    table = started(shrunk(WGAN_DIV.recipe))
    assert not any(isinstance(m, nn.BatchNorm2d) for m in table.discriminator.modules())


def test_fakes_score_high_and_the_critics_loss_is_the_papers_sum():
    recipe = shrunk(WGAN_DIV.recipe)
    game = play(recipe, "d")
    with torch.no_grad():
        game.table.discriminator.head.weight.mul_(50)  # so that a sixth power can be seen
    losses = recipe.losses(game)
    real, fake = game.real_scores.double(), game.fake_scores.double()
    assert losses["adversarial"].item() == pytest.approx(
        (real.mean() - fake.mean()).item(), rel=1e-5
    )
    norms = game.signals["critic_gradient_norm"].item()
    assert losses["wasserstein-divergence"].item() > 2 * norms**6 * 0.99 > 0  # Jensen
    mover = Play(recipe, game.table, "g", game.hand)
    assert torch.equal(recipe.losses(mover)["adversarial"], mover.fake_scores.mean())
