"""Conditional GAN (the networks are in tests/networks/test_conditional.py)."""

import pytest
import torch
from tiny import GREY, IMAGE, context, go_on, inputs, shrunk, started

from steadygan.game.context import Iteration
from steadygan.game.optimizers import SGD
from steadygan.methods import find
from steadygan.networks.labels import with_class
from steadygan.priors import Uniform
from steadygan.study.compose import compose
from steadygan.training.pictures import swept_classes

CGAN = find("cgan")


def test_the_settings_are_those_of_the_paper():
    assert CGAN.recipe.prior == Uniform(dim=100)
    assert CGAN.recipe.objective.name == "ns"
    paper = compose(CGAN, GREY, {"preset": "paper"})
    assert paper.d_optimizer == paper.g_optimizer == SGD(lr=0.1, decay=1.00004)
    assert (paper.d_optimizer.momentum, paper.d_optimizer.momentum_end) == (0.5, 0.7)
    assert paper.batch == 100


@pytest.mark.parametrize("shape", [GREY, IMAGE])
def test_both_players_hear_the_label(shape):
    recipe = shrunk(CGAN.recipe, g_drop_rate=0.0, d_drop_rate=0.0)
    game = context(recipe, "d", shape)
    right = game.critic(game.real)
    assert (right - game.critic(game.real, (game.labels.roll(1),))).abs().max() > 0.02 * right.std()
    noise = torch.rand(4, 8) * 2 - 1
    g = game.state.generator
    images = g(with_class(noise, torch.arange(4)))
    assert (
        images - g(with_class(noise, torch.tensor([1, 2, 3, 0])))
    ).abs().max() > 0.02 * images.std()


def test_a_permuted_label_permutes_what_g_makes():
    """The rows of a table of classes follow the table of the labels: exchange two, they swap."""
    state = started(shrunk(CGAN.recipe), GREY)
    g_ema = state.g_ema
    latents = swept_classes(CGAN.recipe.changed(prior="uniform:dim=8").sampling_prior(4), 0)
    before = g_ema(latents).unflatten(0, (4, 10))
    with torch.no_grad():
        rows = g_ema.label.rows.weight
        rows.copy_(rows[[1, 0, 2, 3]])
    after = g_ema(latents).unflatten(0, (4, 10))
    assert torch.equal(after, before[[1, 0, 2, 3]])
    assert not torch.equal(after[0], before[0])


def test_a_turn_moves_the_rows_of_both_tables():
    recipe = shrunk(CGAN.recipe, g_drop_rate=0.0, d_drop_rate=0.0)
    state = started(recipe, GREY)
    before = {n: p.detach().clone() for s in state.players.values()
              for n, p in s.named_parameters().items() if "rows" in n}  # fmt: skip
    recipe.iterate(state, Iteration(0, 0, lambda *_: inputs(recipe, GREY), go_on))
    assert len(before) == 2
    for player in state.players.values():
        for name, now in player.named_parameters().items():
            if name in before:
                assert (now - before[name]).abs().sum() > 0, name
