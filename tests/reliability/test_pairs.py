"""R18 with one pair in twelve played; `python -m benchmarks.reliability --only R18` plays all."""

import pytest
import torch
from torch import nn

from steadygan.errors import UserError
from steadygan.game.part import Part
from steadygan.methods import find
from steadygan.networks import OwnNetworks
from tests.reliability import games, pairs

IMAGES = games.images()
#: Methods that refuse most objectives; every other one plays 29 pairs or more.
LEAST = {"began": 16, "d2gan": 18}
LEARN_POINTS = [m for m in games.METHODS if find(m).vector_networks is not None]


@pytest.mark.parametrize("method", games.METHODS)
def test_a_pair_plays_a_turn_or_is_refused_before_there_is_a_run(method):
    plays, _ = pairs.walked(method, IMAGES, one_in=20, first=games.METHODS.index(method))
    assert plays >= LEAST.get(method, 29)


@pytest.mark.parametrize("method", LEARN_POINTS)
def test_a_pair_on_points_plays_a_turn_or_is_refused(method):
    first = LEARN_POINTS.index(method)
    pairs.walked(method, pairs.points(), one_in=45, first=first)
    for part in ("diffaugment", "consistency"):
        said = pairs.composed(method, (2,), ({}, (part,)))
        assert said.startswith(f"{method} on vectors: {part} moves pixels: it wants images")


@pytest.mark.parametrize(
    ("method", "pair", "why"),
    [
        ("bigan", ({"objective": "loss-sensitive"}, ()), "follows from more than scores"),
        ("dcgan", ({"objective": "d2gan"}, ()), "the method d2gan has them"),
        ("dcgan", ({"objective": "ebgan"}, ()), "set networks=ebgan or networks=began"),
        ("wgan", ({"objective": "began"}, ()), "set networks=ebgan or networks=began"),
        ("began", ({}, ("dropout",)), "D of 'began' networks, an auto-encoder, has none"),
        ("ebgan", ({}, ("minibatch-discrimination",)), "D of 'ebgan' networks, an auto-encoder"),
        ("rpgan", ({}, ("critic-warmup",)), "objective rpgan is none"),
    ],
)
def test_the_reason_is_said(method, pair, why):
    said = pairs.composed(method, IMAGES.shape, pair)
    assert isinstance(said, str)
    assert why in said


def test_an_energy_plays_where_d_gives_errors():
    pairs.played(games.small("ebgan").changed(objective="began"), IMAGES)
    own = OwnNetworks(discriminator=Plain, like=find("dcgan").recipe.networks)
    assert find("dcgan").recipe.changed(networks=own, objective="ebgan").networks.d_gives_errors


class Plain(nn.Module):
    """A discriminator of one's own that shows no features."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(256, 1)

    def forward(self, x):
        return self.layer(x.flatten(1)).square().flatten()


@pytest.mark.parametrize("part", ["feature-matching", "pulling-away"])
def test_a_part_that_reads_features_wants_them_before_the_first_step(part):
    dcgan = games.small("dcgan")
    own = dcgan.changed(networks=OwnNetworks(discriminator=Plain, like=dcgan.networks))
    with pytest.raises(UserError, match=f"{part} reads D's features: give the discriminator"):
        own.with_(Part.named(part)).start(IMAGES.shape, 2)
    assert torch.isfinite(own.start(IMAGES.shape, 2).discriminator(torch.zeros(2, 256))).all()
