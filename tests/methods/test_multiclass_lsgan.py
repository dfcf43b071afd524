"""Multi-class LSGAN and its twin (the networks are in tests/networks/test_multiclass.py)."""

import pytest
import torch
from tiny import GREY, Shapes, context, go_on, inputs, shrunk, started

from steadygan.errors import UserError
from steadygan.game.context import Iteration
from steadygan.game.optimizers import Adam
from steadygan.methods import find
from steadygan.networks import MulticlassNetworks
from steadygan.priors import Uniform

LSGAN, GAN = find("multiclass-lsgan"), find("multiclass-gan")


def test_the_settings_are_those_of_the_authors_code():
    recipe = LSGAN.recipe
    assert recipe.objective.coding == (0.0, 1.0, 1.0)
    assert recipe.networks == MulticlassNetworks(width=64, hidden=1024, label_dim=256)
    assert recipe.prior == Uniform(dim=1024)
    assert recipe.d_optimizer == recipe.g_optimizer == Adam(lr=2e-4, betas=(0.5, 0.999))
    assert (recipe.batch, recipe.d_steps, recipe.g_steps) == (64, 1, 1)
    assert recipe.horizon_images == 1_000_000 * 64
    assert recipe.shared_latents  # D's and G's step have the same z


def test_the_twin_differs_in_its_loss_alone():
    twin = GAN.recipe
    assert twin.objective.name == "ns"
    assert twin.changed(objective=LSGAN.recipe.objective, method="multiclass-lsgan") == LSGAN.recipe
    assert twin != LSGAN.recipe


@pytest.mark.parametrize("method", [LSGAN, GAN], ids=lambda m: m.name)
def test_real_and_fake_batches_have_the_same_labels_in_both_updates(method):
    for player in "dg":
        game = context(shrunk(method.recipe), player, GREY)
        assert torch.equal(game.fake_labels, game.labels)
        (of_real,), (of_fake,) = game.condition("real"), game.condition("fake")
        assert torch.equal(of_real, of_fake)
        assert torch.equal(of_real, game.labels)


def test_g_takes_over_latents_and_classes_of_ds_update():
    recipe = shrunk(LSGAN.recipe)
    updates = recipe.iterate(
        started(recipe, GREY), Iteration(0, 0, lambda *_: inputs(recipe, GREY), go_on)
    )
    one, other = (updates[side].context for side in "dg")
    assert torch.equal(one.latent, other.latent)
    assert torch.equal(one.fake_labels, other.fake_labels)


def test_a_score_depends_on_the_label_that_d_is_told():
    game = context(shrunk(LSGAN.recipe), "d", GREY)
    right = game.critic(game.real)
    wrong = game.critic(game.real, (game.labels.roll(1),))
    assert (right - wrong).abs().max() > 0.02 * right.std()
    assert torch.equal(right, game.critic(game.real, (game.labels,)))


def test_a_turn_gives_gradients_to_the_rows_of_its_classes_alone():
    recipe = shrunk(LSGAN.recipe)
    state = recipe.start(GREY, classes=3740)
    tables = [state.generator.labels.rows.weight, state.discriminator.labels.rows.weight]
    before = [weight.detach().clone() for weight in tables]
    with Shapes() as shapes:
        recipe.iterate(state, Iteration(0, 0, lambda *_: inputs(recipe, GREY), go_on))
    for weight, old in zip(tables, before, strict=True):
        moved = (weight - old).abs().sum(1).nonzero().flatten()
        assert moved.tolist() == [0, 1, 2, 3]  # the labels of the hand
    assert not [s for s in shapes.seen if s[:1] in ((8,), (16,)) and 3740 in s[1:]]


def test_without_labels_it_says_what_it_wants():
    with pytest.raises(UserError, match="'multiclass' networks want class labels"):
        shrunk(LSGAN.recipe).start(GREY, classes=0)
