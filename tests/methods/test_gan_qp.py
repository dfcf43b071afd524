"""GAN-QP (its closed forms are in tests/game/test_margins.py)."""

from tiny import IMAGE, shrunk, started
from torch import nn

from steadygan.game.optimizers import Adam
from steadygan.losses.margins import QuadraticPotential
from steadygan.methods import find
from steadygan.study.compose import compose

GAN_QP = find("gan-qp")


def test_the_settings_are_those_of_the_authors_code():
    recipe = GAN_QP.recipe
    assert recipe.objective.name == "wasserstein"
    assert recipe.on_d == (QuadraticPotential(weight=1.0, slope=10.0, distance="l1"),)
    assert (recipe.d_steps, recipe.g_steps, recipe.batch) == (2, 1, 64)
    assert recipe.d_optimizer == recipe.g_optimizer == Adam(lr=2e-4, betas=(0.5, 0.999))
    assert (recipe.prior.name, recipe.prior.dim) == ("normal", 128)
    paper = compose(GAN_QP, IMAGE, {"preset": "paper"})
    assert paper.on_d[0].distance == "l2"


def test_no_lipschitz_constraint_is_needed_so_d_has_batch_norm():
    state = started(shrunk(GAN_QP.recipe))
    for player in state.players.values():
        assert any(isinstance(m, nn.BatchNorm2d) for m in player.modules.modules())
