"""Feature matching as a method (the part itself is in tests/game/test_matching.py)."""

import pytest
import torch
from tiny import GREY, IMAGE, context, differing, go_on, inputs, shrunk, started

from steadygan.game.context import StepContext
from steadygan.game.optimizers import Adam
from steadygan.losses.matching import FeatureMatching
from steadygan.methods import find
from steadygan.networks import ImprovedNetworks
from steadygan.study.compose import compose

METHOD = find("feature-matching")
TINY = shrunk(METHOD.recipe)


def test_the_settings_are_those_of_the_authors():
    recipe = METHOD.recipe
    assert recipe.on_g == (FeatureMatching(weight=1.0, norm="l2sq"),)
    assert recipe.g_adversarial == 0.0
    assert recipe.d_optimizer == recipe.g_optimizer == Adam(lr=3e-4, betas=(0.5, 0.999))
    assert recipe.prior.dim == 100
    paper = compose(METHOD, IMAGE, {"preset": "paper"})
    assert (paper.networks, paper.batch) == (ImprovedNetworks(width=128, d_width=96), 100)
    assert paper.horizon_images == 1200 * 50_000
    coded = compose(METHOD, IMAGE, {"feature-matching.norm": "l1"})
    assert coded.on_g == (FeatureMatching(norm="l1"),)


def test_d_learns_by_binary_cross_entropy_and_g_by_the_features_alone():
    torch.manual_seed(0)
    d = context(TINY, "d", GREY)
    losses = TINY.losses(d)
    assert list(losses) == ["adversarial"]
    real, fake = torch.sigmoid(d.real_scores).double(), torch.sigmoid(d.fake_scores).double()
    wanted = -real.log().mean() - (1 - fake).log().mean()
    assert losses["adversarial"].item() == pytest.approx(wanted.item(), rel=1e-5)
    g = context(TINY, "g", GREY)
    losses = TINY.losses(g)
    assert list(losses) == ["feature-matching"]
    apart = g.real_features.double().mean(0) - g.fake_features.double().mean(0)
    assert losses["feature-matching"].item() == pytest.approx(apart.square().sum().item(), rel=1e-5)


def test_g_draws_a_real_batch_of_its_own():
    state, drawn = started(TINY, GREY), []
    for player in ("d", "g"):
        game = StepContext(TINY, state, player, inputs(TINY, GREY))
        deal = game.inputs.real
        object.__setattr__(
            game.inputs, "real", lambda m=player, deal=deal: drawn.append(m) or deal()
        )
        TINY.step(game, go_on)
    assert drawn == ["d", "g"]


def test_gs_update_leaves_d_bit_for_bit_lengths_included():
    recipe = TINY.changed(networks=ImprovedNetworks(width=4, d_width=8))
    state = started(recipe, GREY)
    before = {k: v.clone() for k, v in state.players["d"].modules.state_dict().items()}
    assert any(name.endswith("original0") for name in before)
    recipe.step(StepContext(recipe, state, "g", inputs(recipe, GREY)), go_on)
    assert differing(before, dict(state.players["d"].modules.state_dict())) == []
