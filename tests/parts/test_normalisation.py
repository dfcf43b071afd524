"""Spectral normalisation as a part (the mathematics is in tests/networks/test_spectral.py)."""

import numpy as np
import pytest
import torch
from tiny import GREY, POINT, shrunk, started, trainer
from torch import nn
from torch.nn.utils import parametrize

from steadygan.errors import UserError
from steadygan.losses.penalties import GradientPenalty
from steadygan.methods import find
from steadygan.networks import DCGANNetworks, OwnNetworks
from steadygan.networks.spectral import normalised_layers
from steadygan.parts.normalisation import SpectralNormalisation
from steadygan.study.compose import compose
from steadygan.training.signals import of_iteration


def normalised(state):
    """Names of the modules at the table that hold normalised layers."""
    return {
        name
        for player in state.players.values()
        for name, module in player.modules.items()
        if normalised_layers(module)
    }


@pytest.mark.parametrize(("players", "wanted"), [
    ("d", {"discriminator"}), ("g", {"generator"}), ("both", {"discriminator", "generator"}),
])  # fmt: skip
def test_it_normalises_the_networks_of_the_players_that_it_is_told(players, wanted):
    recipe = shrunk(find("infogan").recipe).with_(SpectralNormalisation(players=players))
    state = started(recipe, GREY)
    assert normalised(state) == wanted  # never Q, which only reads codes
    for name in wanted:
        module = state.players["d" if name == "discriminator" else "g"][name]
        kinds = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)
        layers = [m for m in module.modules() if isinstance(m, kinds)]
        assert layers
        assert all(parametrize.is_parametrized(layer, "weight") for layer in layers)


@pytest.mark.parametrize("name", ["gan", "dcgan", "infogan", "wgan", "wgan-gp", "dragan", "began",
                                  "r3gan", "lsgan", "sngan"])  # fmt: skip
def test_it_goes_onto_any_method_and_can_be_dropped(name):
    recipe = shrunk(find(name).recipe)
    if name == "sngan":
        recipe = recipe.without("spectral-norm")
    with_it = recipe.with_(SpectralNormalisation(players="both"))
    game = trainer(with_it, GREY)
    for _ in range(2):
        game.iterate()
    assert normalised(game.state) >= {"discriminator", "generator"}
    for player in game.state.players.values():
        assert all(weight.isfinite().all() for weight in player.parameters)
    assert with_it.without("spectral-norm") == recipe
    assert normalised(started(recipe, GREY)) == set()


def test_it_is_added_and_dropped_by_name_on_the_command_line():
    added = compose(find("dcgan"), GREY, {"d_norm": "none"}, add=["spectral-norm:players=both"])
    assert added.shared == (SpectralNormalisation(players="both"),)
    assert compose(find("sngan"), GREY, {}, drop=["spectral-norm"]).shared == ()
    assert compose(find("sngan"), GREY, {"spectral_norm": "false"}).shared == ()


def test_a_toy_in_the_plane_is_normalised_too():
    state = started(shrunk(find("sngan").fitted(POINT)), POINT)
    assert len(normalised_layers(state.discriminator)) == 4


class Silent(nn.Module):
    """A discriminator without a weight."""

    def __init__(self, shape):
        super().__init__()

    def forward(self, x):
        return x.flatten(1).mean(1)


def test_a_discriminator_without_layers_is_refused_in_words():
    networks = OwnNetworks(like=DCGANNetworks(width=4), discriminator=Silent)
    recipe = find("dcgan").recipe.changed(networks=networks).with_(SpectralNormalisation())
    with pytest.raises(UserError, match="spectral-norm finds no linear layer"):
        trainer(recipe, GREY)


# ---- the log -------------------------------------------------------------------------------


def test_the_log_has_the_largest_sigma_of_each_normalised_player():
    game = trainer(shrunk(find("sagan-hinge").recipe, lr=2e-3), GREY)
    for _ in range(30):
        game.iterate()
    line = of_iteration(game.last, None)
    for side, module in (("d", game.state.discriminator), ("g", game.state.generator)):
        largest = max(
            np.linalg.svd(normaliser.matrix(raw).detach().numpy(), compute_uv=False)[0]
            for _, normaliser, raw in normalised_layers(module)
        )
        assert line[f"{side}_spectral_norm"] == pytest.approx(largest, rel=0.05)
    only_d = trainer(shrunk(find("sngan").recipe), GREY)
    only_d.iterate()
    assert [k for k in of_iteration(only_d.last, None) if "spectral" in k] == ["d_spectral_norm"]


def test_reading_the_log_moves_nothing():
    game = trainer(shrunk(find("sngan").recipe), GREY)
    before = {k: v.clone() for k, v in game.state.discriminator.state_dict().items()}
    found = SpectralNormalisation().signals(game.state.players["d"])
    assert not found["d_spectral_norm"].requires_grad
    assert all(torch.equal(v, before[k]) for k, v in game.state.discriminator.state_dict().items())


# ---- what is said of it --------------------------------------------------------------------


def test_batch_norm_in_d_is_advised_against():
    recipe = find("dcgan").recipe
    (text,) = recipe.with_(SpectralNormalisation()).advice()
    assert "d_norm=none" in text
    assert not list(recipe.with_(SpectralNormalisation(players="g")).advice())
    free = recipe.changed(networks=DCGANNetworks(d_norm="none"))
    assert not list(free.with_(SpectralNormalisation()).advice())


def test_a_gradient_penalty_beside_it_is_advised_against():
    (text,) = find("sngan").recipe.with_(GradientPenalty()).advice()
    assert "drop one" in text
    (text,) = find("dragan").recipe.with_(SpectralNormalisation()).advice()
    assert "drop one" in text
    assert not list(find("wgan-gp").recipe.with_(SpectralNormalisation(players="g")).advice())
