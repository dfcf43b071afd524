"""DCGAN's recipe (its networks are in tests/networks)."""

import pytest
import torch
from tiny import GREY, IMAGE, shrunk, started, trainer

from steadygan.game.optimizers import Adam
from steadygan.methods import find
from steadygan.priors import Uniform
from steadygan.study.compose import compose

DCGAN = find("dcgan")


@pytest.mark.parametrize(("size", "wanted"), [(32, 8_825_220), (64, 9_451_908)])
def test_its_players_have_the_sources_parameters(size, wanted):
    players = started(DCGAN.recipe, (3, size, size)).players
    assert sum(p.numel() for player in players.values() for p in player.parameters) == wanted


def test_the_settings_are_those_of_the_specification():
    recipe = DCGAN.recipe
    assert recipe.d_optimizer == recipe.g_optimizer == Adam(lr=2e-4, betas=(0.5, 0.999))
    assert recipe.prior == Uniform(dim=100)
    assert (recipe.batch, recipe.d_steps, recipe.g_steps) == (64, 1, 1)
    assert recipe.objective.name == "ns"
    assert recipe.parts() == []


def test_the_papers_preset_has_its_width_and_no_convolution_biases():
    recipe = compose(DCGAN, IMAGE, {"preset": "paper"})
    assert (recipe.networks.width, recipe.networks.bias, recipe.batch) == (128, False, 128)


def test_a_walk_between_latents_is_continuous():
    """Ten times finer steps move every pixel about ten times less."""
    game = trainer(shrunk(DCGAN.recipe, width=8), GREY)
    for _ in range(3):
        game.iterate()
    start, end = game.recipe.prior.sample(2, torch.Generator().manual_seed(0))

    def largest_step(count):
        share = torch.linspace(0, 1, count + 1)[:, None]
        with torch.no_grad():
            images = game.state.g_ema(start + share * (end - start))
        return (images[1:] - images[:-1]).abs().max().item()

    steps = [largest_step(count) for count in (4, 40, 400)]
    assert 0 < steps[2] < steps[1] / 5 < steps[0] / 25


def test_shared_latents_change_only_what_g_is_dealt():
    """g_steps=2 is DCGAN-TF's way; both settings play."""
    recipe = shrunk(DCGAN.recipe, g_steps=2)
    game = trainer(recipe, IMAGE)
    game.iterate()
    assert (
        game.state.players["g"].optimizer.state[game.state.players["g"].parameters[0]]["step"] == 2
    )
