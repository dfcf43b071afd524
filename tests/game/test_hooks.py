"""What parts may change of a game: D's fakes, what D is shown and asked for, gradients, networks;
and what the tricks leave as it was."""

from typing import ClassVar

import pytest
import torch
from tiny import GREY, IMAGE, context, differing, go_on, inputs, parameters, shrunk, started
from torch import nn

from steadygan.game.context import Iteration, StepContext
from steadygan.game.optimizers import SGD
from steadygan.game.part import Part
from steadygan.methods import find
from steadygan.parts.augment import DiffAugment
from steadygan.parts.modify import Dropout, MinibatchDiscrimination
from steadygan.parts.noise import InstanceNoise
from steadygan.parts.replay import Replay
from steadygan.parts.targets import LabelFlip, LabelNoise, LabelSmoothing
from steadygan.parts.tricks import GradientClip

DCGAN = shrunk(find("dcgan").recipe)
WGAN_GP = shrunk(find("wgan-gp").recipe)
BARE = WGAN_GP.without("gradient-penalty")  # no batch norm in D, no parts


class Trick(Part):
    """Base of the parts of these tests."""

    sides = ("shared",)


@pytest.fixture(autouse=True)
def _named():
    """The parts here are in the family while a test of this file runs, and in no other."""
    for kind in Trick.__subclasses__():
        kind.name = kind.__name__.lower()
    yield
    for kind in Trick.__subclasses__():
        kind.name = ""


class Shows(Trick):
    """Adds `by` to what D sees, and notes what it was asked."""

    by: float = 1.0

    def augment(self, context, samples, kind):
        context.signals[f"{self.by} {kind}"] = torch.tensor(float(len(context.signals)))
        return samples + self.by


class Doubles(Trick):
    """Doubles what D sees."""

    def augment(self, context, samples, kind):
        return 2 * samples


class Zeros(Trick):
    """Puts zeros in the place of D's fakes."""

    def fakes_for_d(self, context, fake):
        return torch.zeros_like(fake)


class Halves(Trick):
    """Halves every gradient in place."""

    def adjust(self, update):
        for gradient in update.gradients:
            gradient *= 0.5


class Widens(Trick):
    """Puts a layer in front of D's head."""

    def modify_networks(self, networks):
        head = networks["discriminator"].head
        networks["discriminator"].head = nn.Sequential(nn.Linear(head.in_features, 3),
                                                       nn.Linear(3, 1))  # fmt: skip


class Counts(Trick):
    """Notes how many linear layers D has when it rebuilds."""

    modify_order = 1
    found: ClassVar[list] = []

    def modify_networks(self, networks):
        self.found.append(sum(isinstance(m, nn.Linear)
                              for m in networks["discriminator"].modules()))  # fmt: skip


# ---- what D is shown -----------------------------------------------------------------------


@pytest.mark.parametrize("joint", [False, True])
@pytest.mark.parametrize("player", ["d", "g"])
def test_d_judges_what_the_parts_show_it_in_their_order(player, joint):
    recipe = BARE.with_(Shows(), Doubles(), joint_batches=joint)
    game, critic = context(recipe, player), started(recipe).discriminator
    for samples, scores in ((game.real, game.real_scores), (game.fake, game.fake_scores)):
        torch.testing.assert_close(scores, critic(2 * (samples + 1)).flatten())
    assert sorted(game.signals) == ["1.0 fake", "1.0 real"]  # each once


def test_what_is_shown_is_not_what_penalties_or_later_parts_read():
    game = context(BARE.with_(Shows(by=100.0)), "d")
    _ = game.real_scores, game.fake_scores
    assert game.real.abs().max() <= 1
    assert game.fake.abs().max() <= 1
    torch.testing.assert_close(game.critic(game.real),
                               game.state.discriminator(game.real).flatten())  # fmt: skip


# ---- D's fakes -----------------------------------------------------------------------------


def test_other_fakes_are_judged_in_ds_update_alone():
    recipe = BARE.with_(Zeros())
    game, critic = context(recipe, "d"), started(recipe).discriminator
    torch.testing.assert_close(game.fake_scores, critic(torch.zeros_like(game.fake)).flatten())
    assert game.fake.abs().max() > 0
    player = context(recipe, "g")
    torch.testing.assert_close(player.fake_scores, critic(player.fake).flatten())


# ---- gradients and networks ----------------------------------------------------------------


def test_an_adjusted_gradient_is_the_one_that_the_optimizer_takes():
    plain = BARE.changed(optimizer=SGD(lr=0.1, decay=1.0, momentum=0.0, momentum_end=0.0))
    moves = []
    for recipe in (plain, plain.with_(Halves())):
        for player in ("d", "g"):
            game = context(recipe, player)
            player = game.state.players[player]
            before = parameters(player)
            recipe.step(game, go_on)
            after = parameters(player)
            moves.append({name: after[name] - before[name] for name in before})
    for whole, half in zip(moves[:2], moves[2:], strict=True):
        for name in whole:
            torch.testing.assert_close(half[name], whole[name] / 2, rtol=1e-3, atol=1e-7)
        assert any(move.abs().max() > 1e-6 for move in whole.values())


def test_networks_are_rebuilt_before_players_are_made_and_the_last_see_the_others():
    Counts.found.clear()
    recipe = BARE.with_(Counts(), Widens())
    state = started(recipe)
    assert Counts.found == [2]
    names = state.players["d"].parameter_names
    assert {"discriminator.head.0.weight", "discriminator.head.1.bias"} <= set(names)
    before = parameters(state.players["d"])
    recipe.step(StepContext(recipe, state, "d", inputs(recipe)), go_on)
    assert "discriminator.head.0.weight" in differing(before, parameters(state.players["d"]))


# ---- joint batches -------------------------------------------------------------------------


def test_joint_batches_are_judged_as_one_by_their_common_statistics():
    recipe = DCGAN.changed(joint_batches=True)
    game, critic = context(recipe, "d"), started(recipe).discriminator
    both = critic(torch.cat([game.real, game.fake])).flatten()
    torch.testing.assert_close(game.real_scores, both[:8])
    torch.testing.assert_close(game.fake_scores, both[8:])
    features = started(recipe).discriminator.features(torch.cat([game.real, game.fake]))
    torch.testing.assert_close(game.real_features, features[:8])
    torch.testing.assert_close(game.fake_features, features[8:])
    apart = context(DCGAN, "d")
    assert torch.equal(apart.fake, game.fake)
    assert not torch.allclose(apart.real_scores, game.real_scores, rtol=1e-3)
    assert not torch.allclose(apart.fake_scores, game.fake_scores, rtol=1e-3)


def test_joint_batches_move_the_running_statistics_once_an_update():
    counts = {}
    for joint in (False, True):
        game = context(DCGAN.changed(joint_batches=joint), "d")
        game.recipe.step(game, go_on)
        counts[joint] = {b.item() for n, b in game.state.discriminator.named_buffers()
                         if n.endswith("num_batches_tracked")}  # fmt: skip
    assert counts == {False: {2}, True: {1}}


def test_without_batch_norm_joint_and_separate_batches_are_the_same_update():
    updates = []
    for joint in (False, True):
        recipe = BARE.changed(joint_batches=joint)
        game = context(recipe, "d")
        updates.append(recipe.step(game, go_on))
    torch.testing.assert_close(updates[0].losses, updates[1].losses)
    for one, other in zip(updates[0].gradients, updates[1].gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-7)


def test_gs_update_judges_its_fakes_alone_all_the_same():
    scores = [
        context(DCGAN.changed(joint_batches=joint), "g").fake_scores for joint in (False, True)
    ]
    assert torch.equal(*scores)


# ---- steps and rates -----------------------------------------------------------------------


def test_two_rates_move_two_players():
    keys = {"d_optimizer.lr": 1e-3, "g_optimizer.lr": 1e-5}
    recipe = shrunk(find("dcgan").recipe, **keys)
    state = started(recipe)
    before = {name: parameters(player) for name, player in state.players.items()}
    recipe.iterate(state, Iteration(0, 0, lambda player, k: inputs(recipe), go_on))
    for name, rate in (("d", 1e-3), ("g", 1e-5)):
        after = parameters(state.players[name])
        moved = max((after[n] - before[name][n]).abs().max().item() for n in after)
        assert moved == pytest.approx(rate, rel=0.02)  # Adam's first step


def test_several_steps_of_g_follow_those_of_d_each_on_latents_of_its_own():
    recipe = shrunk(find("dcgan").recipe, g_steps=3)
    state, latents = started(recipe), []

    def watch(update):
        latents.append((update.player.name, update.context.latent))

    recipe.iterate(state, Iteration(0, 0, lambda player, k: inputs(recipe, seed=10 * k), watch))
    assert [name for name, _ in latents] == ["d", "g", "g", "g"]
    assert torch.equal(latents[0][1], latents[1][1])  # shared with D
    assert not torch.equal(latents[1][1], latents[2][1])
    assert not torch.equal(latents[2][1], latents[3][1])


# ---- the tricks that have no weight --------------------------------------------------------

TRICKS = [
    LabelSmoothing(), LabelNoise(), LabelFlip(probability=0.5), InstanceNoise(), DiffAugment(),
    Dropout(), MinibatchDiscrimination(kernels=4, dims=2), Replay(capacity=4),
    GradientClip(value=1e-6),
]  # fmt: skip


def test_every_trick_without_a_weight_is_in_that_list():
    weighted = {n for n, m in Part.members().items()
                if any(f.endswith("weight") for f in m.model_fields)}  # fmt: skip
    here = {kind.name for kind in Trick.__subclasses__()}
    of_tricks = {n for n, m in Part.members().items() if m.sides == ("shared",)} - weighted - here
    elsewhere = {"critic-warmup", "spectral-norm", "ada"}  # tests of their own
    assert of_tricks - elsewhere == {trick.name for trick in TRICKS}


@pytest.mark.parametrize("trick", TRICKS, ids=lambda trick: trick.name)
@pytest.mark.parametrize("shape", [GREY, IMAGE])
def test_a_trick_moves_d_and_leaves_the_start_the_latents_and_the_fakes(trick, shape):
    plain, changed = [], []
    for recipe, seen in ((DCGAN, plain), (DCGAN.with_(trick), changed)):
        state = started(recipe, shape)
        start = {name: parameters(player) for name, player in state.players.items()}
        torch.manual_seed(0)  # what pins dropout in a run
        updates = []
        for seed in (1, 2):
            game = StepContext(recipe, state, "d", inputs(recipe, shape, seed))
            updates.append(recipe.step(game, go_on))
        seen += [start, updates, parameters(state.players["d"])]
        assert all(p.isfinite().all() for p in state.players["d"].parameters)
    assert differing(plain[0]["g"], changed[0]["g"]) == []
    common = set(plain[0]["d"]) & set(changed[0]["d"])
    assert len(common) >= len(plain[0]["d"]) - 2  # the head may have another name
    assert differing(*({n: side[0]["d"][n] for n in common} for side in (plain, changed))) == []
    for one, other in zip(plain[1], changed[1], strict=True):
        for name in ("latent", "real", "fake", "labels"):
            assert torch.equal(getattr(one.context, name), getattr(other.context, name)), name
    assert differing(*({n: side[2][n] for n in common} for side in (plain, changed)))
