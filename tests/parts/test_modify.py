"""Dropout and minibatch discrimination: what is built into D, and what is left as it was."""

import numpy as np
import pytest
import torch
from tiny import GREY, IMAGE, context, differing, inputs, parameters, shrunk, started
from torch import nn

from steadygan.game.context import StepContext
from steadygan.losses.information import codes_read
from steadygan.losses.penalties import GradientPenalty
from steadygan.methods import find
from steadygan.networks import OwnNetworks
from steadygan.parts.modify import (
    Dropout,
    MinibatchDiscrimination,
    MinibatchHead,
    minibatch_similarity,
)

DCGAN = shrunk(find("dcgan").recipe)
SMALL = MinibatchDiscrimination(kernels=6, dims=3)


def own(discriminator):
    return DCGAN.changed(networks=OwnNetworks(discriminator=discriminator, like=DCGAN.networks))


class Plain(nn.Module):
    """A discriminator of one's own without features and head."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3 * 32 * 32, 1)

    def forward(self, x):
        return self.layer(x.flatten(1))


class Curved(nn.Module):
    """One with a head that is no linear layer."""

    def __init__(self):
        super().__init__()
        self.head = nn.Conv2d(3, 1, 32)

    def features(self, x):
        return x

    def forward(self, x):
        return self.head(x).flatten()


# ---- dropout -------------------------------------------------------------------------------


def test_dropout_zeroes_its_share_of_features_in_training_and_nothing_in_eval():
    state = started(DCGAN.with_(Dropout()))
    bare = started(DCGAN).discriminator
    critic = state.discriminator
    features = torch.ones(4000, bare.head.in_features)
    dropped = critic.head[0](features)
    assert dropped.unique().tolist() == pytest.approx([0.0, 1 / 0.6])
    assert dropped.eq(0).double().mean().item() == pytest.approx(0.4, abs=0.01)
    images = torch.randn(8, *IMAGE)
    assert torch.equal(critic.eval()(images), bare.eval()(images))
    assert not torch.equal(critic.train()(images), bare.train()(images))


def test_dropout_is_on_in_the_updates_of_both_players():
    recipe = DCGAN.with_(Dropout(rate=0.9))
    for player in ("d", "g"):
        torch.manual_seed(0)
        dropped, whole = context(recipe, player), context(DCGAN, player)
        assert torch.equal(dropped.fake, whole.fake)
        assert not torch.allclose(dropped.fake_scores, whole.fake_scores)
        torch.testing.assert_close(dropped.fake_features, whole.fake_features)


# ---- minibatch discrimination --------------------------------------------------------------


def test_closeness_is_the_sum_over_the_others():
    random = torch.Generator().manual_seed(0)
    m = torch.randn(7, 4, 3, generator=random, dtype=torch.float64)
    found = minibatch_similarity(m).numpy()
    for i in range(7):
        for b in range(4):
            others = [np.exp(-np.abs(m[i, b].numpy() - m[j, b].numpy()).sum())
                      for j in range(7) if j != i]  # fmt: skip
            assert found[i, b] == pytest.approx(sum(others), rel=1e-12, abs=1e-12)


def test_a_batch_that_is_one_image_is_as_close_as_can_be_and_a_spread_one_is_not():
    one = torch.randn(1, 5, 2).expand(9, 5, 2)
    torch.testing.assert_close(minibatch_similarity(one), torch.full((9, 5), 8.0))
    far = torch.arange(9.0)[:, None, None].expand(9, 5, 2) * 50
    assert minibatch_similarity(far).abs().max() < 1e-6


def test_closeness_can_be_differentiated_twice():
    m = torch.randn(4, 2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(minibatch_similarity, m)
    assert torch.autograd.gradgradcheck(minibatch_similarity, m)


def test_the_score_is_a_linear_map_of_the_features_with_the_closeness_appended():
    torch.manual_seed(0)
    head = MinibatchHead(nn.Linear(10, 1), 10, kernels=4, dims=3).double()
    features = torch.randn(6, 10, dtype=torch.float64)
    tensor = head.project.weight.detach().numpy().reshape(4, 3, 10)
    m = np.einsum("bn,kdn->bkd", features.numpy(), tensor)
    apart = np.abs(m[:, None] - m[None]).sum(3)
    o = np.exp(-apart).sum(1) - 1
    weights = np.concatenate([head.head.weight.detach().numpy()[0],
                              head.read.weight.detach().numpy()[0]])  # fmt: skip
    wanted = np.concatenate([features.numpy(), o], 1) @ weights + head.head.bias.item()
    np.testing.assert_allclose(head(features).detach().numpy(), wanted, rtol=1e-9)


def test_its_tensor_begins_with_columns_of_length_1():
    head = MinibatchHead(nn.Linear(50, 1), 50, kernels=4, dims=3)
    torch.testing.assert_close(head.project.weight.norm(dim=1), torch.ones(12))


def test_by_default_100_kernels_of_5_numbers_are_added_to_d():
    count = {}
    for name, recipe in (("bare", DCGAN), ("with", DCGAN.with_(MinibatchDiscrimination()))):
        state = started(recipe, GREY)
        count[name] = sum(p.numel() for p in state.players["d"].parameters)
    features = started(DCGAN, GREY).discriminator.head.in_features
    assert count["with"] - count["bare"] == features * 100 * 5 + 100


def test_what_was_there_begins_as_without_it():
    bare, state = started(DCGAN), started(DCGAN.with_(SMALL))
    assert differing(parameters(bare.players["g"]), parameters(state.players["g"])) == []
    old = parameters(bare.players["d"])
    new = {name.replace("head.head.", "head."): value
           for name, value in parameters(state.players["d"]).items()}  # fmt: skip
    added = differing(old, new)
    assert added == ["discriminator.head.project.weight", "discriminator.head.read.weight"]


def test_ds_other_readers_keep_their_features():
    """InfoGAN's Q reads D's features: they have the width they had."""
    recipe = shrunk(find("infogan").recipe).with_(SMALL)
    logits, means = codes_read(context(recipe, "g", GREY))
    assert (logits.shape, means.shape) == ((8, 10), (8, 2))
    plain = shrunk(find("infogan").recipe)
    torch.testing.assert_close(logits, codes_read(context(plain, "g", GREY))[0])


def test_real_and_fake_are_told_apart_by_how_close_they_are():
    """With the rest of D held at 0, a batch of one image scores higher than a batch of many."""
    recipe = DCGAN.with_(SMALL)
    game = context(recipe, "d")
    critic = game.state.discriminator
    with torch.no_grad():
        critic.head.head.weight.zero_()
        critic.head.read.weight.fill_(1.0)
        many = critic(torch.randn(8, *IMAGE) * 3)
        one = critic(torch.randn(1, *IMAGE).expand(8, -1, -1, -1) * 3)
    torch.testing.assert_close(one, torch.full((8,), 7.0 * 6))
    assert many.max() < one.min()


def test_a_gradient_penalty_goes_through_it():
    recipe = shrunk(find("wgan-gp").recipe).with_(SMALL)
    game = context(recipe, "d", GREY)
    loss = recipe.on_d[0].loss(game)
    slope = torch.autograd.grad(loss, game.state.discriminator.head.project.weight)[0]
    assert loss.isfinite()
    assert isinstance(recipe.on_d[0], GradientPenalty)
    assert slope.abs().max() > 0


def test_joint_batches_are_refused_since_they_would_hide_what_it_looks_for():
    with pytest.raises(ValueError, match="separate batches: joint_batches=false"):
        DCGAN.with_(SMALL, joint_batches=True)


# ---- both ----------------------------------------------------------------------------------


@pytest.mark.parametrize("parts", [(Dropout(), SMALL), (SMALL, Dropout())])
def test_they_go_together_in_either_order(parts):
    recipe = DCGAN.with_(*parts)
    game = StepContext(recipe, started(recipe), "d", inputs(recipe))
    assert game.fake_scores.shape == (8,)
    kinds = [type(m) for m in game.state.discriminator.head.modules()]
    assert kinds.count(nn.Dropout) == kinds.count(MinibatchHead) == 1


@pytest.mark.parametrize("part", [Dropout(), SMALL])
def test_a_discriminator_without_features_and_head_is_refused_in_words(part):
    with pytest.raises(ValueError, match=f"{part.name} goes before D's head: give the discr"):
        own(Plain).with_(part).start(IMAGE)


def test_a_head_that_is_not_linear_is_refused_in_words():
    with pytest.raises(ValueError, match="wants a linear head in the discriminator, not Conv2d"):
        own(Curved).with_(SMALL).start(IMAGE)
    assert own(Curved).with_(Dropout()).start(IMAGE).discriminator.head[0].p == 0.4
