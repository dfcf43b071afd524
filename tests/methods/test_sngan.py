"""SNGAN (the normalisation itself is in tests/networks/test_spectral.py)."""

import pytest
from tiny import GREY, IMAGE, shrunk, started, trainer

from steadygan.game.optimizers import Adam
from steadygan.losses.objectives import Hinge, NonSaturating
from steadygan.methods import find
from steadygan.networks import SNGANNetworks
from steadygan.networks.residual import DownBlock
from steadygan.networks.spectral import normalised_layers
from steadygan.parts.normalisation import SpectralNormalisation
from steadygan.study.compose import compose

SNGAN = find("sngan")


def test_the_settings_are_those_of_the_papers_cnn():
    recipe = SNGAN.recipe
    assert recipe.networks == SNGANNetworks(backbone="cnn", width=64)
    assert recipe.objective == NonSaturating()
    assert recipe.d_optimizer == recipe.g_optimizer == Adam(lr=2e-4, betas=(0.5, 0.999))
    assert (recipe.d_steps, recipe.g_steps, recipe.batch) == (1, 1, 64)
    assert (recipe.prior.name, recipe.prior.dim) == ("normal", 128)
    assert recipe.shared == (SpectralNormalisation(players="d"),)


def test_the_papers_preset_is_its_resnet():
    recipe = compose(SNGAN, IMAGE, {"preset": "paper"})
    assert recipe.networks == SNGANNetworks(backbone="resnet", width=64)
    assert recipe.objective == Hinge()
    assert recipe.d_optimizer == Adam(lr=2e-4, betas=(0.0, 0.9), lr_end=0.0)
    assert recipe.g_optimizer == recipe.d_optimizer
    assert (recipe.d_steps, recipe.batch) == (5, 64)
    iterations = recipe.horizon_images / (recipe.batch * recipe.d_steps)
    assert iterations == 50_000
    half = recipe.d_optimizer.settings(8_000_000, recipe.horizon_images, 64)
    assert half["lr"] == pytest.approx(1e-4)
    assert recipe.d_optimizer.settings(16_000_000, recipe.horizon_images, 64)["lr"] == 0


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (3, 64, 64)])
@pytest.mark.parametrize("keys", [{}, {"backbone": "resnet", "objective": "hinge"}])
def test_only_d_is_normalised_in_every_layer(shape, keys):
    state = started(shrunk(SNGAN.recipe, **keys), shape)
    weights = [p for p in state.discriminator.parameters() if p.dim() > 1]
    assert {id(raw) for *_, raw in normalised_layers(state.discriminator)} == {
        id(p) for p in weights
    }
    assert normalised_layers(state.generator) == []


def test_the_residual_hinge_game_plays():
    recipe = compose(SNGAN, GREY, {"networks.backbone": "resnet", "objective": "hinge"})
    game = trainer(shrunk(recipe), GREY)
    assert any(isinstance(m, DownBlock) for m in game.state.discriminator.modules())
    for _ in range(2):
        game.iterate()
    losses = {name: update.losses["adversarial"].item() for name, update in game.last.items()}
    d, g = game.last["d"].context, game.last["g"].context
    wanted = (1 - d.real_scores).clamp(min=0).mean() + (1 + d.fake_scores).clamp(min=0).mean()
    assert losses == {
        "d": pytest.approx(wanted.item()),
        "g": pytest.approx(-g.fake_scores.mean().item()),
    }


def test_other_settings_of_table_1_are_overrides():
    keys = {"lr": "1e-3", "betas": "0.9,0.999", "d_steps": "5"}  # setting F
    recipe = compose(SNGAN, IMAGE, keys)
    assert recipe.d_optimizer == recipe.g_optimizer == Adam(lr=1e-3, betas=(0.9, 0.999))
    assert recipe.d_steps == 5
