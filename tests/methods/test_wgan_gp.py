"""WGAN-GP (the penalty itself is in tests/game/test_penalties.py)."""

import pytest
import torch
from tiny import IMAGE, shrunk, size_of, started
from torch import nn

from steadygan.game.optimizers import Adam
from steadygan.losses.objectives import wasserstein_d_loss
from steadygan.losses.penalties import GradientPenalty, gradient_penalty
from steadygan.methods import find
from steadygan.networks import DCGANNetworks, MLPNetworks
from steadygan.study.compose import compose

WGAN_GP = find("wgan-gp")


def test_the_settings_are_those_of_the_authors():
    recipe = WGAN_GP.recipe
    assert recipe.on_d == (GradientPenalty(weight=10.0, target=1.0),)
    assert recipe.d_steps == 5
    assert recipe.d_optimizer == recipe.g_optimizer == Adam(lr=1e-4, betas=(0.5, 0.9))
    assert recipe.prior.name == "normal"
    toy = WGAN_GP.vector_networks
    assert (toy.width, toy.depth, toy.d_width, toy.d_pieces) == (512, 3, 512, 1)
    assert WGAN_GP.fitted((2,)).prior.dim == 128


@pytest.mark.parametrize(("size", "wanted"), [(32, 8_825_220), (64, 9_451_908)])
def test_the_default_networks_are_those_that_comparisons_share(size, wanted):
    """But for the 896 scales and 896 shifts of the critic's batch norm, which it does without."""
    assert size_of(WGAN_GP.recipe, (3, size, size)) == wanted - 2 * (128 + 256 + 512)


@pytest.mark.parametrize(("size", "stages", "wanted"), [(32, 3, 9_279_236), (64, 4, 36_562_180)])
def test_the_papers_preset_has_the_authors_networks(size, stages, wanted):
    recipe = compose(WGAN_GP, (3, size, size), {"preset": "paper"})
    assert recipe.networks == DCGANNetworks(width=128, stages=None, d_norm="none")
    assert (recipe.networks.stages_for(size), recipe.prior.dim) == (stages, 128)
    assert size_of(recipe, (3, size, size)) == wanted


def test_the_light_preset_stays_as_it_was():
    recipe = compose(WGAN_GP, IMAGE, {"preset": "light"})
    assert recipe.networks == DCGANNetworks(width=16, stages=None, kernel=4, d_norm="none")
    assert (recipe.prior.dim, recipe.batch) == (128, 32)
    assert size_of(recipe, IMAGE) == 216_964


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (3, 64, 64)])
def test_the_critic_has_no_batch_norm_and_the_generator_has(shape):
    state = started(shrunk(WGAN_GP.recipe), shape)
    kinds = {name: {type(m) for m in player.modules.modules()}
             for name, player in state.players.items()}  # fmt: skip
    assert nn.BatchNorm2d not in kinds["d"]
    assert nn.BatchNorm2d in kinds["g"]
    assert nn.Sigmoid not in kinds["d"]


@pytest.mark.parametrize("distance", [0.5, 2.0])
def test_a_trained_critics_slope_is_near_1(distance):
    """Two Gaussians at distance d: for point masses the best slope is 1 + d / (2 lambda)."""
    torch.manual_seed(0)
    networks = MLPNetworks(width=8, depth=2, d_width=32, d_pieces=1, d_dropout=False)
    critic = networks.build((2,), 2)["discriminator"]
    adam = torch.optim.Adam(critic.parameters(), 3e-3, betas=(0.5, 0.9))
    random = torch.Generator().manual_seed(0)
    norms = []
    for step in range(250):
        real = 0.05 * torch.randn(64, 2, generator=random) + torch.tensor([distance, 0.0])
        fake = 0.05 * torch.randn(64, 2, generator=random)
        seen = norms.append if step >= 200 else None
        loss = wasserstein_d_loss(critic(real), critic(fake))
        loss = loss + 10.0 * gradient_penalty(critic, real, fake, random, on_norms=seen)
        adam.zero_grad()
        loss.backward()
        adam.step()
    assert 0.8 < torch.cat(norms).mean().item() < 1.2
