"""The information term: its bounds, and where its gradient goes."""

import math

import numpy as np
import pytest
import torch
from tiny import GREY, context, shrunk

from steadygan.losses.information import (
    MutualInformation,
    category_information,
    code_information,
    codes_read,
)
from steadygan.methods import find
from steadygan.priors import Coded

LOG10 = math.log(10)


def drawn(count=200, classes=10, seed=0):
    random = torch.Generator().manual_seed(seed)
    return torch.randint(classes, (count,), generator=random)


def test_a_perfect_reader_has_all_of_the_entropy():
    category = drawn()
    logits = torch.full((200, 10), -200.0)
    logits[torch.arange(200), category] = 200.0
    assert category_information(logits, category).item() == pytest.approx(LOG10, abs=1e-6)


def test_a_reader_that_knows_nothing_has_none():
    assert category_information(torch.full((200, 10), 3.0), drawn()).item() == pytest.approx(
        0.0, abs=1e-6
    )


@pytest.mark.parametrize("seed", range(20))
def test_the_bound_never_exceeds_the_entropy(seed):
    random = np.random.RandomState(seed)
    classes = random.randint(2, 12)
    category = drawn(64, classes, seed)
    logits = torch.tensor(random.standard_normal((64, classes)) * 10 ** random.uniform(-1, 2))
    logits[torch.arange(64), category] += float(random.uniform(0, 50))
    value = category_information(logits, category).item()
    probability = np.exp(logits.numpy() - logits.numpy().max(1, keepdims=True))
    probability /= probability.sum(1, keepdims=True)
    chosen = np.maximum(probability[np.arange(64), category.numpy()], 1e-300)
    wanted = math.log(classes) + np.log(chosen).mean()
    assert value <= math.log(classes) + 1e-9
    assert value == pytest.approx(wanted, rel=1e-6, abs=1e-9)


def test_an_untrained_reader_knows_about_nothing():
    recipe = shrunk(find("infogan").recipe, batch=64, hidden=32)
    values = []
    for seed in range(8):
        game = context(recipe, "d", GREY, seed)
        MutualInformation().loss(game)
        values.append(game.signals["mutual_information"].item())
    assert max(values) < 0.05
    assert np.mean(values) < 0.01


@pytest.mark.parametrize("codes", [1, 2, 5])
def test_continuous_information_is_its_closed_form(codes):
    random = np.random.RandomState(codes)
    u, mean = random.uniform(-1, 1, (50, codes)), random.standard_normal((50, codes))
    density = np.exp(-((u - mean) ** 2) / 2) / np.sqrt(2 * np.pi)
    wanted = (np.log(density) - np.log(0.5)).sum(1).mean()  # H(U(-1, 1)) = -log(1 / 2)
    value = code_information(torch.tensor(mean), torch.tensor(u)).item()
    assert value == pytest.approx(wanted, rel=1e-12)
    best = code_information(torch.tensor(u), torch.tensor(u)).item()
    assert best == pytest.approx(codes * (math.log(2) - math.log(2 * math.pi) / 2), rel=1e-12)
    assert value <= best


def test_the_part_weighs_the_two_terms():
    recipe = shrunk(find("infogan").recipe)
    game = context(recipe, "d", GREY)
    loss = MutualInformation(weight=3.0, continuous_weight=0.5).loss(game)
    logits, means = codes_read(game)
    prior = recipe.prior
    category = category_information(logits, prior.category(game.latent))
    codes = code_information(means, prior.codes(game.latent))
    assert loss.item() == pytest.approx(-(3.0 * category + 0.5 * codes).item(), rel=1e-6)
    assert game.signals["mutual_information"] == category
    assert game.signals["mutual_information_continuous"] == codes


def test_without_continuous_codes_there_is_one_term():
    recipe = shrunk(find("infogan").recipe).changed(prior=Coded(dim=8, categories=4, continuous=0))
    game = context(recipe, "g", GREY)
    loss = MutualInformation(weight=1.0, continuous_weight=9.0).loss(game)
    assert codes_read(game)[1].shape == (8, 0)
    assert loss.item() == -game.signals["mutual_information"].item()
    assert "mutual_information_continuous" not in game.signals


def sensitivity(loss, module):
    """The largest slope of `loss` to a parameter of `module`; None where there is no path."""
    found = torch.autograd.grad(
        loss, list(module.parameters()), retain_graph=True, allow_unused=True
    )
    return (
        None
        if all(g is None for g in found)
        else max(g.abs().max() for g in found if g is not None)
    )


def test_ds_adversarial_gradient_does_not_reach_q():
    recipe = shrunk(find("infogan").recipe)
    game = context(recipe, "d", GREY)
    losses = recipe.losses(game)
    d = game.state.players["d"]
    assert sensitivity(losses["adversarial"], d["q"]) is None
    assert sensitivity(losses["adversarial"], d["discriminator"]) > 0
    assert sensitivity(losses["mutual-information"], d["q"]) > 0
    assert sensitivity(losses["mutual-information"], d["discriminator"].trunk) > 0
    assert sensitivity(losses["mutual-information"], d["discriminator"].head) is None


def test_the_information_gradient_reaches_g():
    recipe = shrunk(find("infogan").recipe)
    game = context(recipe, "g", GREY)
    losses = recipe.losses(game)
    assert list(losses) == ["adversarial", "mutual-information"]
    assert sensitivity(losses["mutual-information"], game.state.generator) > 0


@pytest.mark.parametrize("keys", [{"prior": "normal"}, {"networks": "dcgan"}])
def test_it_does_not_fit_where_there_is_no_code_or_nobody_who_reads_it(keys):
    from steadygan.errors import UserError
    from steadygan.recipes.overrides import override_all

    with pytest.raises(UserError, match="mutual-information wants codes"):
        override_all(find("infogan").recipe, keys, "infogan")


def test_the_reader_may_come_with_a_generator_of_ones_own():
    from steadygan.networks import InfoGANNetworks, OwnNetworks

    own = OwnNetworks(generator=torch.nn.Identity(), like=InfoGANNetworks())
    assert find("infogan").recipe.changed(networks=own).networks.reads_codes
    assert not OwnNetworks(generator=torch.nn.Identity()).reads_codes
