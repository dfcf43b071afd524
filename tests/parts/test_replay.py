"""Replay of old fakes: what is kept, what D judges, what stays as it was."""

import pytest
import torch
from tiny import GREY, context, differing, go_on, inputs, parameters, shrunk, started

from steadygan.game.context import Iteration, StepContext
from steadygan.methods import find, methods
from steadygan.networks.base import Networks
from steadygan.parts.replay import History, Replay

DCGAN = shrunk(find("dcgan").recipe)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def batch(first, count=8):
    """Samples that are their number: first, first + 1, ..."""
    return torch.arange(first, first + count, dtype=torch.float32)[:, None]


def test_until_it_is_full_fakes_are_added_and_none_replaced():
    history = History(6, (1,))
    for k, filled in enumerate((4, 6)):
        augment = history.exchange(batch(8 * k), 4, seeded())
        assert torch.equal(augment, batch(8 * k))
        assert history.filled == filled
    assert history.samples.flatten().tolist() == [0, 1, 2, 3, 8, 9]


def test_then_exactly_half_are_old_and_half_of_the_new_are_kept():
    history = History(6, (1,))
    for k in range(2):
        history.exchange(batch(8 * k), 4, seeded())
    before = set(history.samples.flatten().tolist())
    augment = history.exchange(batch(100), 4, seeded())
    assert augment[:4].flatten().tolist() == [100, 101, 102, 103]
    old = augment[4:].flatten().tolist()
    assert len(set(old)) == 4
    assert set(old) <= before
    after = set(history.samples.flatten().tolist())
    assert {100.0, 101.0, 102.0, 103.0} <= after
    assert len(after & before) == 2
    assert history.filled == 6


def test_every_place_is_drawn_from_and_replaced_sooner_or_later():
    history = History(16, (1,))
    for k in range(4):
        history.exchange(batch(8 * k), 4, seeded())
    begun, augment = set(history.samples.flatten().tolist()), set()
    for k in range(100):
        augment |= set(history.exchange(batch(1000 + 8 * k), 4, seeded(k))[4:].flatten().tolist())
    assert begun & set(history.samples.flatten().tolist()) == set()
    assert len(augment) > 100


def test_an_old_fake_may_be_shown_again():
    again = 0
    for seed in range(20):
        history = History(6, (1,))
        for k in range(2):
            history.exchange(batch(8 * k), 4, seeded())
        augment = history.exchange(batch(100), 4, seeded(seed))[4:].flatten().tolist()
        again += len(set(augment) & set(history.samples.flatten().tolist()))
    assert again > 0


def game_after(iterations, recipe):
    state = started(recipe)
    for iteration in range(iterations):
        recipe.iterate(
            state,
            Iteration(
                iteration,
                0,
                lambda player, k, iteration=iteration: inputs(recipe, seed=iteration),
                go_on,
            ),
        )
    return state


def test_d_judges_old_fakes_and_g_its_own():
    recipe = DCGAN.with_(Replay(capacity=8))
    state = game_after(2, recipe)  # two turns of four fill it
    old = state.part_states["replay"].samples.clone()
    game = StepContext(recipe, state, "d", inputs(recipe, seed=9), keeps_graph=True)
    judged = game.d_fake_input
    assert torch.equal(judged[:4], game.fake[:4])
    assert all(any(torch.equal(j, o) for o in old) for j in judged[4:])
    wanted = state.discriminator(judged).flatten()
    torch.testing.assert_close(game.fake_scores, wanted)
    player = StepContext(recipe, state, "g", inputs(recipe, seed=9))
    player.take_fake_of(game)
    assert torch.equal(player.d_fake_input, game.fake)
    assert torch.equal(player.fake, game.fake)


def test_a_first_update_is_the_same_with_and_without_it_and_a_later_one_is_not():
    runs = [game_after(2, recipe) for recipe in (DCGAN, DCGAN.with_(Replay(capacity=4)))]
    one, other = (parameters(state.players["d"]) for state in runs)
    assert differing(one, other)  # full after a turn, so the second turn judges old fakes
    runs = [game_after(2, recipe) for recipe in (DCGAN, DCGAN.with_(Replay(capacity=8)))]
    one, other = (parameters(state.players["d"]) for state in runs)
    assert differing(one, other) == []


def test_it_keeps_samples_of_the_datas_shape_and_no_graph():
    state = started(DCGAN.with_(Replay(capacity=20)), GREY)
    history = state.part_states["replay"]
    assert history.samples.shape == (20, *GREY)
    game = StepContext(
        DCGAN.with_(Replay(capacity=20)), state, "d", inputs(DCGAN, GREY), keeps_graph=True
    )
    assert not game.d_fake_input.requires_grad
    assert not history.samples.requires_grad
    assert history.filled == 4


@pytest.mark.parametrize(("share", "size", "count"), [(0.5, 8, 4), (0.25, 8, 2), (0.9, 8, 3),
                                                      (0.5, 9, 4)])  # fmt: skip
def test_how_many_are_old(share, size, count):
    assert Replay(share=share, capacity=3 if share == 0.9 else 512).count(size) == count


def test_a_share_too_small_for_one_sample_changes_nothing():
    recipe = DCGAN.with_(Replay(share=0.05))
    game = context(recipe, "d")
    assert game.d_fake_input is game.fake
    assert game.state.part_states["replay"].filled == 0


def test_it_stays_out_of_games_that_know_what_a_fake_was_made_of():
    with pytest.raises(ValueError, match="the prior has codes"):
        find("infogan").recipe.with_(Replay())
    for condition, why in (("g_takes_classes", "classes"), ("d_takes_classes", "classes"),
                      ("d_takes_latents", "together with their latents")):  # fmt: skip
        kind = type("Told", (type(DCGAN.networks),), {condition: True, "name": ""})
        assert issubclass(kind, Networks)
        assert why in Replay().incompatibility(DCGAN.changed(networks=kind()))
    for method in methods().values():
        if method.recipe.networks.g_takes_classes or method.recipe.networks.d_takes_latents:
            assert Replay().incompatibility(method.recipe), method.name
