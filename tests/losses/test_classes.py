"""The auxiliary classifier: its loss, and what it asks of each player."""

import numpy as np
import pytest
import torch
from tiny import context, shrunk, started

from steadygan.losses.classes import AuxiliaryClassifier, class_loss
from steadygan.methods import find
from steadygan.networks import DCGANNetworks


def acgan(**keys):
    return shrunk(find("acgan").recipe, **{"drop_rate": 0.0, **keys})


@pytest.mark.parametrize("seed", range(4))
def test_the_loss_is_minus_the_log_likelihood_of_the_class(seed):
    random = np.random.RandomState(seed)
    logits, classes = random.standard_normal((20, 7)) * 4, random.randint(0, 7, 20)
    shares = np.exp(logits - logits.max(1, keepdims=True))
    shares /= shares.sum(1, keepdims=True)
    wanted = -np.log(shares[np.arange(20), classes]).mean()
    found = class_loss(torch.tensor(logits, dtype=torch.float32), torch.tensor(classes))
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(wanted, rel=1e-5)


def test_half_precision_logits_are_read_in_float32():
    logits = torch.tensor([[30.0, 30.25], [-3.0, 0.5]], dtype=torch.bfloat16)
    found = class_loss(logits, torch.tensor([0, 1]))
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx((np.log1p(np.exp(0.25)) + np.log1p(np.exp(-3.5))) / 2)


def test_d_names_the_class_of_both_kinds_and_g_of_its_own():
    recipe = acgan(**{"auxiliary-classifier.weight": 2.0, "auxiliary-classifier.g_weight": 0.3})
    part = recipe.on_d[0]
    game = context(recipe, "d")
    d, head = game.state.discriminator, game.state.players["d"]["classifier"]
    of = {}
    for kind, samples, classes in (
        ("real", game.real, game.labels), ("fake", game.fake, game.fake_labels)
    ):  # fmt: skip
        shares = head(d.features(samples)).double().softmax(1)
        of[kind] = -shares[torch.arange(8), classes].log().mean().item()
    assert part.loss(game).item() == pytest.approx(2.0 * (of["real"] + of["fake"]), rel=1e-4)
    assert of["real"] != pytest.approx(of["fake"], rel=1e-3)
    of_g = context(recipe, "g")
    shares = head_of(of_g)(of_g.state.discriminator.features(of_g.fake)).double().softmax(1)
    wanted = -shares[torch.arange(8), of_g.fake_labels].log().mean()
    assert part.loss(of_g).item() == pytest.approx(0.3 * wanted.item(), rel=1e-4)


def head_of(game):
    return game.state.players["d"]["classifier"]


def test_the_fakes_are_asked_for_the_classes_of_the_real_batch():
    game = context(acgan(), "d")
    assert torch.equal(game.fake_labels, game.labels)
    assert game.labels.tolist() == [0, 1, 2, 3] * 2


def test_gs_loss_falls_when_the_right_class_becomes_likelier():
    """Along the logit of the asked class, and not along that of another one."""
    part = acgan().on_g[0]

    def loss(at, more):
        game = context(acgan(), "g")
        with torch.no_grad():
            head_of(game).weight.zero_()
            head_of(game).bias.zero_()
            head_of(game).bias[at] = more
        game.latent = torch.cat([torch.rand(8, 8), torch.full((8, 1), 2.0)], 1)
        return part.loss(game).item()

    rising = [loss(2, more) for more in (0.0, 1.0, 2.0, 4.0)]
    assert rising == sorted(rising, reverse=True)
    assert rising[0] == pytest.approx(np.log(4), rel=1e-5)
    assert rising[3] == pytest.approx(np.log(np.exp(4) + 3) - 4, rel=1e-5)
    assert loss(1, 1.0) > rising[0]


def test_the_share_named_right_is_logged():
    game = context(acgan(), "d")
    with torch.no_grad():
        head_of(game).weight.zero_()
        head_of(game).bias.copy_(torch.tensor([0.0, 0.0, 0.0, 9.0]))
    game.recipe.on_d[0].loss(game)
    assert game.signals["class_accuracy_real"].item() == 0.25
    assert game.signals["class_accuracy_fake"].item() == 0.25
    of_g = context(acgan(), "g")
    of_g.recipe.on_g[0].loss(of_g)
    assert set(of_g.signals) == {"class_accuracy_fake"}


def test_ds_update_moves_the_head_and_gs_does_not():
    recipe = acgan()
    state = started(recipe)
    assert any(n.startswith("classifier.") for n in state.players["d"].parameter_names)
    assert not any(n.startswith("classifier.") for n in state.players["g"].parameter_names)


def test_it_wants_a_class_head():
    with pytest.raises(ValueError, match="auxiliary-classifier wants a class head on D"):
        find("dcgan").recipe.with_(AuxiliaryClassifier())
    with pytest.raises(ValueError, match="set networks=acgan"):
        find("acgan").recipe.changed(networks=DCGANNetworks())
