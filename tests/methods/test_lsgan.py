"""LSGAN (its losses are in tests/game/test_least_squares.py)."""

from tiny import IMAGE, POINT, shrunk, started

from steadygan.game.optimizers import Adam
from steadygan.game.recipe import Recipe
from steadygan.methods import find
from steadygan.networks import DCGANNetworks, LSGANNetworks
from steadygan.priors import Normal, Uniform
from steadygan.recipes.overrides import override
from steadygan.study.compose import compose
from steadygan.training import signals
from tests.reliability import games

LSGAN = find("lsgan")


def test_the_settings_are_those_of_the_source():
    recipe = LSGAN.recipe
    assert recipe.networks == DCGANNetworks()
    assert recipe.objective.is_pearson
    assert recipe.objective.coding == (-1.0, 1.0, 0.0)
    assert recipe.d_optimizer == recipe.g_optimizer == Adam(lr=2e-4, betas=(0.5, 0.999))
    assert recipe.prior == Uniform(dim=100)
    state = started(recipe)
    assert sum(p.numel() for pl in state.players.values() for p in pl.parameters) == 8_825_220


def test_the_papers_preset_is_the_scene_network_with_its_rate_and_latent():
    recipe = compose(LSGAN, IMAGE, {"preset": "paper"})
    assert recipe.networks == LSGANNetworks()
    assert (recipe.prior, recipe.d_optimizer.lr, recipe.batch) == (Uniform(dim=1024), 1e-3, 64)
    assert recipe.d_optimizer.betas == (0.5, 0.999)


def test_in_the_plane_it_has_the_rates_of_the_authors_mixtures():
    for preset in ({}, {"preset": "paper"}):
        recipe = compose(LSGAN, POINT, preset)
        assert recipe.networks == LSGAN.vector_networks
    recipe = LSGAN.fitted(POINT)
    assert recipe.prior == Normal(dim=256)
    assert (recipe.g_optimizer.lr, recipe.d_optimizer.lr) == (1e-3, 1e-4)


def test_the_coding_is_an_override():
    changed = override(LSGAN.recipe, "objective.coding", "01")
    assert changed.objective.coding == (0.0, 1.0, 1.0)
    assert not changed.objective.is_pearson
    assert Recipe(**changed.model_dump(mode="json")) == changed


def test_accuracy_is_logged_at_the_middle_of_the_codes(tmp_path):
    """With codes 0 and 1 a score of .2 says fake, which a threshold at 0 would take for real."""
    recipe = shrunk(LSGAN.recipe.changed(objective="lsgan:coding=01"))
    game = games.trainer_of(recipe, tmp_path / "run")
    game.iterate()
    context = game.last["d"].context
    vars(context)["_real_output"] = (None, context.real_scores * 0 + 0.7)
    vars(context)["_fake_output"] = (None, context.fake_scores * 0 + 0.2)
    line = signals.of_iteration(game.last, None)
    assert line["d_accuracy_real"] == line["d_accuracy_fake"] == 1.0
    assert "d_real_probability" not in line
