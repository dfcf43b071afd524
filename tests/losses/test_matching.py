"""Feature matching, and the unsupervised loss of a classifier as D."""

import numpy as np
import pytest
import torch
from tiny import GREY, context, differing, go_on, inputs, parameters, shrunk, started

from steadygan.game.context import StepContext
from steadygan.losses.matching import FeatureMatching, feature_matching_loss, unsupervised_loss
from steadygan.losses.objectives import bce_d_loss
from steadygan.methods import find

WGAN_GP = shrunk(find("wgan-gp").recipe)  # no batch norm in D


def pair(shape=(6, 5), other=None, seed=0):
    random = torch.Generator().manual_seed(seed)
    return (torch.randn(shape, generator=random, dtype=torch.float64),
            torch.randn(other or shape, generator=random, dtype=torch.float64))  # fmt: skip


@pytest.mark.parametrize("shapes", [((6, 5), (6, 5)), ((6, 5), (9, 5)), ((4, 3, 2, 2),) * 2])
def test_it_is_the_distance_of_the_batch_means(shapes):
    real, fake = pair(*shapes)
    apart = real.numpy().mean(0) - fake.numpy().mean(0)
    found = feature_matching_loss(real, fake)
    assert found.item() == pytest.approx((apart**2).sum(), rel=1e-12)
    assert found.item() == pytest.approx(np.linalg.norm(apart.flatten()) ** 2, rel=1e-12)
    found = feature_matching_loss(real, fake, norm="l1")
    assert found.item() == pytest.approx(np.abs(apart).mean(), rel=1e-12)


@pytest.mark.parametrize("norm", ["l2sq", "l1"])
def test_it_is_0_exactly_if_the_means_agree(norm):
    real, _ = pair()
    shuffled = real[torch.randperm(6)]
    assert feature_matching_loss(real, shuffled, norm=norm).item() == pytest.approx(0, abs=1e-15)
    moved = shuffled.clone()
    moved[2, 3] += 1e-3
    assert feature_matching_loss(real, moved, norm=norm).item() > 1e-9


def test_the_part_reads_ds_features_of_a_real_batch_and_of_gs_fakes():
    recipe = WGAN_GP.with_(FeatureMatching(weight=2.0))
    game, state = context(recipe, "g"), started(recipe)
    found = recipe.losses(game)["feature-matching"]
    real, fake = (state.discriminator.features(x).double() for x in (game.real, game.fake))
    wanted = 2.0 * (real.mean(0) - fake.mean(0)).square().sum().item()
    assert found.item() == pytest.approx(wanted, rel=1e-4)


def test_its_gradient_reaches_g_and_does_not_know_ds_last_layer():
    recipe = WGAN_GP.with_(FeatureMatching(), g_adversarial=0.0)
    games = [context(recipe, "g") for _ in range(2)]
    with torch.no_grad():
        for weight in games[1].state.discriminator.head.parameters():
            weight.normal_()
    losses = [recipe.losses(game) for game in games]
    assert list(losses[0]) == ["feature-matching"]
    slopes = []
    for game, loss in zip(games, losses, strict=True):
        total = sum(loss.values())
        g, d = (game.state.players[name].parameters for name in ("g", "d"))
        slopes.append(torch.autograd.grad(total, g, retain_graph=True))
        head = game.state.discriminator.head
        assert torch.autograd.grad(total, head.weight, allow_unused=True)[0] is None
        assert len(d) > 0
    assert all(slope.abs().max() > 0 for slope in slopes[0] if slope.dim() > 1)
    for one, other in zip(*slopes, strict=True):
        assert torch.equal(one, other)


def test_without_an_adversarial_loss_g_moves_by_it_alone_and_d_as_before():
    bare, matched = WGAN_GP, WGAN_GP.with_(FeatureMatching(), g_adversarial=0.0)
    for player, same in (("d", True), ("g", False)):
        updates = []
        for recipe in (bare, matched):
            state = started(recipe)
            updates.append(recipe.step(StepContext(recipe, state, player, inputs(recipe)), go_on))
        one, other = (parameters(update.player) for update in updates)
        assert (differing(one, other) == []) is same
    assert list(updates[1].losses) == ["feature-matching"]


def test_with_an_adversarial_loss_both_are_summed():
    recipe = WGAN_GP.with_(FeatureMatching())
    game = context(recipe, "g")
    update = recipe.step(game, go_on)
    assert list(update.losses) == ["adversarial", "feature-matching"]


def test_g_needs_something_to_learn_from():
    with pytest.raises(ValueError, match="g_adversarial=0 leaves G nothing to learn from"):
        WGAN_GP.changed(g_adversarial=0.0)


def test_under_batch_norm_the_means_agree_by_themselves_and_that_is_said():
    """Of features that end in batch norm nothing is left to match: every mean is its bias."""
    norm = torch.nn.BatchNorm1d(5).double()
    real, fake = pair((64, 5))
    assert feature_matching_loss(norm(real), norm(3 + 2 * fake)).item() < 1e-20
    dcgan = find("dcgan").recipe.with_(FeatureMatching())
    assert ["batch norm in D" in text for text in dcgan.advice()] == [True]
    assert list(WGAN_GP.with_(FeatureMatching()).advice()) == []
    state = started(shrunk(dcgan), GREY)
    assert state.discriminator is not None


@pytest.mark.parametrize("classes", [1, 2, 10])
def test_the_unsupervised_loss_is_half_the_cross_entropy_of_the_logsumexp(classes):
    real, fake = (10 * t for t in pair((40, classes)))
    found = unsupervised_loss(real, fake)
    z_real, z_fake = (np.exp(t.numpy()).sum(1) for t in (real, fake))
    l_real, l_fake = np.log(z_real), np.log(z_fake)
    as_written = -l_real.mean() + np.log1p(z_real).mean() + np.log1p(z_fake).mean()
    assert found.item() == pytest.approx(as_written / 2, rel=1e-9)
    summed = bce_d_loss(torch.tensor(l_real), torch.tensor(l_fake)).item()
    assert found.item() == pytest.approx(summed / 2, rel=1e-12)
    direct = -np.log(z_real / (z_real + 1)).mean() - np.log(1 / (z_fake + 1)).mean()
    assert found.item() == pytest.approx(direct / 2, rel=1e-9)


def test_the_unsupervised_loss_stays_finite_for_large_logits():
    loss = unsupervised_loss(torch.full((4, 10), 1e4), torch.full((4, 10), -1e4))
    assert loss.item() == 0.0
