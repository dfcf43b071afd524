"""WGAN-div (the penalty is in tests/game/test_zero_centred.py)."""

import pytest
import torch
from tiny import IMAGE, context, shrunk, started
from torch import nn

from steadygan.game.context import StepContext
from steadygan.game.optimizers import Adam
from steadygan.losses.penalties import WassersteinDivergence
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
    state = started(shrunk(WGAN_DIV.recipe))
    assert not any(isinstance(m, nn.BatchNorm2d) for m in state.discriminator.modules())


def test_fakes_score_high_and_the_critics_loss_is_the_papers_sum():
    recipe = shrunk(WGAN_DIV.recipe)
    game = context(recipe, "d")
    with torch.no_grad():
        game.state.discriminator.head.weight.mul_(50)  # so that a sixth power can be seen
    losses = recipe.losses(game)
    real, fake = game.real_scores.double(), game.fake_scores.double()
    assert losses["adversarial"].item() == pytest.approx(
        (real.mean() - fake.mean()).item(), rel=1e-5
    )
    norms = game.signals["critic_gradient_norm"].item()
    assert losses["wasserstein-divergence"].item() > 2 * norms**6 * 0.99 > 0  # Jensen
    player = StepContext(recipe, game.state, "g", game.inputs)
    assert torch.equal(recipe.losses(player)["adversarial"], player.fake_scores.mean())
