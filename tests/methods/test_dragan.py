"""DRAGAN's penalty, which looks at real data only."""

import pytest
from tiny import GREY, context, shrunk

from steadygan.losses.penalties import Penalty
from steadygan.methods import methods

pytestmark = pytest.mark.skipif("dragan" not in methods(), reason="no methods/dragan.py yet")


def test_the_penalty_uses_real_data_only():
    recipe = shrunk(methods()["dragan"].recipe)
    (penalty,) = [part for part in recipe.on_d if isinstance(part, Penalty)]
    game = context(recipe, "d", GREY)
    loss = penalty.loss(game)
    assert loss > 0
    asked = {name for name in vars(game) if name in ("fake", "fake_with_graph", "_fake_judged")}
    assert asked == set()
    assert "latent" not in vars(game)


def test_the_settings_are_those_of_the_authors():
    recipe = methods()["dragan"].recipe
    (penalty,) = [part for part in recipe.on_d if isinstance(part, Penalty)]
    assert penalty.weight == 10.0
    assert recipe.objective.name == "ns"
    assert (recipe.d_steps, recipe.g_steps) == (1, 1)
    assert recipe.d_optimizer.lr == recipe.g_optimizer.lr == 2e-4
    assert recipe.d_optimizer.betas == recipe.g_optimizer.betas == (0.5, 0.999)
    assert recipe.prior.name == "uniform"
