"""R3GAN (its networks, penalties and objective have tests of their own)."""

import pytest
import torch
from tiny import GREY, IMAGE, context, shrunk

from steadygan.game.optimizers import Adam
from steadygan.losses.penalties import R1, R2
from steadygan.methods import find
from steadygan.study.compose import compose

R3GAN = find("r3gan")


def test_the_settings_are_those_of_the_authors_cifar_10_run():
    recipe = R3GAN.recipe
    assert recipe.objective.name == "rpgan"
    assert recipe.on_d == (R1(weight=0.05, weight_end=0.1), R2(weight=0.05, weight_end=0.1))
    adam = Adam(lr=2e-4, lr_end=0.25, betas=(0.0, 0.9), betas_end=(0.0, 0.99))
    assert recipe.d_optimizer == recipe.g_optimizer == adam
    assert (recipe.prior.name, recipe.prior.dim) == ("normal", 64)
    assert (recipe.d_steps, recipe.g_steps, recipe.horizon_images) == (1, 1, 20_000_000)
    paper = compose(R3GAN, IMAGE, {"preset": "paper"})
    assert (paper.networks.width, paper.networks.blocks, paper.batch) == (768, 2, 512)


def test_at_the_horizon_rate_beta_and_gamma_have_reached_their_ends():
    recipe = R3GAN.recipe
    settings = recipe.d_optimizer.settings(20_000_000, recipe.horizon_images, 64)
    assert settings["lr"] == pytest.approx(5e-5)
    assert settings["betas"] == pytest.approx((0.0, 0.99))
    assert [part.gamma(1.0) for part in recipe.on_d] == pytest.approx([0.005, 0.005])


def test_ds_loss_is_the_papers_sum():
    """softplus(C(g) - C(x)) + gamma/2 (|grad C(x)|^2 + |grad C(g)|^2), from plain autograd."""
    recipe = shrunk(R3GAN.recipe, **{"r1.weight": 0.7, "r2.weight": 0.3})
    game = context(recipe, "d", GREY)
    critic = game.state.discriminator
    x, g = (t.clone().requires_grad_(True) for t in (game.real, game.fake))
    slopes = [torch.autograd.grad(critic(t).sum(), t)[0] for t in (x, g)]
    norms = [s.double().pow(2).flatten(1).sum(1).mean().item() for s in slopes]
    off = (critic(g) - critic(x)).double().detach()
    wanted = torch.log1p(off.exp()).mean().item() + 0.35 * norms[0] + 0.15 * norms[1]
    total = sum(loss.item() for loss in recipe.losses(game).values())
    assert total == pytest.approx(wanted, rel=1e-5)
