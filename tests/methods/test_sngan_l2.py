"""SNGAN with L2-norm constraints (the constraints themselves are in tests/game/test_l2.py)."""

import pytest
from tiny import GREY, shrunk, trainer

from steadygan.losses.l2 import DiscriminatorL2, GeneratorL2
from steadygan.methods import find
from steadygan.study.compose import compose

SNGAN = find("sngan").recipe
PARTS = {
    "sngan-gl2": ((), (GeneratorL2(weight=0.05, kind="pair"),)),
    "sngan-dl2": ((DiscriminatorL2(weight=0.1, kind="pair", on="scores"),), ()),
    "sngan-l2": ((DiscriminatorL2(weight=0.1),), (GeneratorL2(weight=0.05),)),
}


@pytest.mark.parametrize("name", PARTS)
def test_it_is_sngan_with_the_parts_and_nothing_else(name):
    recipe = find(name).recipe
    assert (recipe.on_d, recipe.on_g) == PARTS[name]
    bare = recipe.without(*(part.name for side in PARTS[name] for part in side))
    assert bare.changed(method="sngan") == SNGAN


@pytest.mark.parametrize("name", PARTS)
def test_each_constraint_stands_in_its_players_loss(name):
    game = trainer(shrunk(find(name).recipe), GREY)
    game.iterate()
    on_d, on_g = PARTS[name]
    for side, parts in (("d", on_d), ("g", on_g)):
        assert list(game.last[side].losses) == ["adversarial", *(part.name for part in parts)]
        assert all(loss.item() > 0 for loss in game.last[side].losses.values())


def test_every_kind_can_be_chosen_on_the_command_line():
    for kind in ("pair_sq", "batch_mean", "nearest"):
        recipe = compose(find("sngan-gl2"), GREY, {"generator-l2.kind": kind})
        assert recipe.on_g == (GeneratorL2(weight=0.05, kind=kind),)
    keys = {"discriminator-l2.kind": "mean", "discriminator_l2.on": "probabilities"}
    recipe = compose(find("sngan-dl2"), GREY, keys)
    assert recipe.on_d == (DiscriminatorL2(weight=0.1, kind="mean", on="probabilities"),)
