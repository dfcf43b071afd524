"""WGAN (clipping itself is in tests/game/test_constraints.py)."""

import pytest
import torch
from tiny import GREY, IMAGE, POINT, shrunk, size_of, started, trainer
from torch import nn

from steadygan.game.context import Iteration
from steadygan.game.optimizers import RMSProp
from steadygan.methods import find
from steadygan.networks import DCGANNetworks
from steadygan.parts.constraints import WeightClip
from steadygan.parts.tricks import CriticWarmup
from steadygan.study.compose import compose

WGAN = find("wgan")


def test_the_settings_are_those_of_algorithm_1():
    recipe = WGAN.recipe
    assert recipe.on_d == (WeightClip(bound=0.01),)
    assert recipe.d_steps == 5
    assert recipe.d_optimizer == recipe.g_optimizer == RMSProp(lr=5e-5)
    assert recipe.batch == 64
    assert recipe.shared == ()
    assert recipe.objective.threshold is None


@pytest.mark.parametrize(("size", "wanted"), [(32, 8_825_220), (64, 9_451_908)])
def test_the_default_networks_are_those_that_comparisons_share(size, wanted):
    assert size_of(WGAN.recipe, (3, size, size)) == wanted


def test_the_papers_preset_has_the_authors_networks_and_warms_the_critic_up():
    recipe = compose(WGAN, IMAGE, {"preset": "paper"})
    assert recipe.networks == DCGANNetworks(kernel=4, bias=False)
    assert size_of(recipe, IMAGE) == 5_721_728
    assert size_of(recipe, (3, 64, 64)) == 6_342_272
    assert recipe.shared == (CriticWarmup(turns=25, every=500, d_steps=100),)


def test_the_light_preset_stays_as_it_was():
    recipe = compose(WGAN, IMAGE, {"preset": "light"})
    assert recipe.networks == DCGANNetworks(width=16, stages=3, kernel=4, bias=False)
    assert size_of(recipe, IMAGE) == 187_296


@pytest.mark.parametrize("shape", [GREY, POINT])
def test_no_critic_weight_is_outside_the_box_in_any_step(shape):
    game = trainer(shrunk(WGAN.fitted(shape), lr=1e-2), shape)
    largest = []

    def watch(update):
        critic = game.state.players["d"].parameters
        largest.append(max(p.abs().max().item() for p in critic))

    for iteration in range(3):
        game.recipe.iterate(game.state, Iteration(iteration, 0, game.inputs, watch))
    after_steps = largest[1:]  # before the very first step the start is as it was drawn
    assert len(after_steps) == 17
    assert max(after_steps) <= 0.01 * (1 + 1e-6)


def test_weights_pile_up_at_the_bound():
    """Without batch norm; with it a layer's scale is free, and nothing drives weights outwards."""
    game = trainer(shrunk(WGAN.recipe, width=8, lr=5e-4, d_norm="none"), GREY)
    clip = game.recipe.on_d[0]
    shares = []
    for _ in range(8):
        game.iterate()
        shares.append(clip.signals(game.state.players["d"])["clipped_share"].item())
    assert shares[0] < 0.8  # N(0, .02) clipped at .01 starts at .64
    assert shares[-1] > 0.9


def test_the_critic_has_no_sigmoid_and_its_scores_scale_with_its_head():
    state = started(shrunk(WGAN.recipe), GREY)
    critic = state.discriminator
    assert not any(isinstance(m, (nn.Sigmoid, nn.Tanh)) for m in critic.modules())
    x = torch.rand(8, *GREY)
    with torch.no_grad():
        before = critic(x)
        critic.head.weight.mul_(1e6)
        torch.testing.assert_close(critic(x), before * 1e6, rtol=1e-4, atol=1e-4)
        assert critic(x).abs().max() > 10
