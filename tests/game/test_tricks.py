"""Critic warm-up: when the critic gets its 100 steps."""

import pytest
from tiny import go_on, hand, shrunk, started

from steadygan.game.tricks import CriticWarmup
from steadygan.methods import find


def test_100_steps_in_the_first_25_turns_and_every_500th():
    recipe = find("wgan").recipe.with_(CriticWarmup())
    warm = [turn for turn in range(2001) if recipe.steps("d", turn) == 100]
    assert warm == [*range(25), 500, 1000, 1500, 2000]
    assert {recipe.steps("d", turn) for turn in range(2001)} == {5, 100}
    assert {recipe.steps("g", turn) for turn in range(2001)} == {1}


def test_it_is_off_by_default():
    assert find("wgan").recipe.tricks == ()
    assert {find("wgan").recipe.steps("d", turn) for turn in range(600)} == {5}


def test_the_turn_is_played_and_counted_with_its_steps():
    trick = CriticWarmup(turns=1, every=3, d_steps=4)
    recipe = shrunk(find("wgan").recipe.with_(trick), d_steps=2)
    table = started(recipe)
    for turn, wanted in enumerate([4, 2, 2, 4, 2]):
        movers = []
        recipe.step(table, lambda m, k, movers=movers: movers.append(m) or hand(recipe), turn, 0,
                    go_on)  # fmt: skip
        assert movers == ["d"] * wanted + ["g"]
        assert recipe.images_in(turn) == wanted * recipe.batch


@pytest.mark.parametrize("name", ["gan", "dcgan", "infogan"])
def test_it_wants_a_critic(name):
    with pytest.raises(ValueError, match="critic-warmup wants a critic"):
        find(name).recipe.with_(CriticWarmup())
