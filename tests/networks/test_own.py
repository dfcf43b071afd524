"""Networks of one's own: from classes, functions, modules and names."""

import sys
import types

import pytest
import torch
from torch import nn

from steadygan.errors import UserError
from steadygan.methods import find
from steadygan.networks import (
    ACGANNetworks,
    BiGANNetworks,
    DCGANNetworks,
    InfoGANNetworks,
    MulticlassNetworks,
    Networks,
    OwnNetworks,
)
from steadygan.networks.base import Codes
from steadygan.spec import checked

SHAPE, LATENT = (1, 28, 28), 6


class G(nn.Module):
    def __init__(self, latent_dim, shape):
        super().__init__()
        self.given = (latent_dim, shape)
        self.layer = nn.Linear(latent_dim, 784)

    def forward(self, z):
        return self.layer(z).tanh().unflatten(1, (1, 28, 28))


class D(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.given = shape
        self.layer = nn.Linear(784, 1)

    def forward(self, x):
        return self.layer(x.flatten(1))


def make_g():
    return G(LATENT, SHAPE)


def make_d(shape):
    return D(shape)


@pytest.fixture
def module(monkeypatch):
    """An importable module `mine` that holds these networks."""
    mine = types.ModuleType("mine")
    mine.G, mine.D, mine.make_g, mine.ready = G, D, make_g, D(SHAPE)
    mine.Nested = type("Nested", (), {"D": D})
    mine.three = 3
    mine.makes_text = lambda: "no module"
    mine.wants_more = lambda latent_dim, shape, more: None
    monkeypatch.setitem(sys.modules, "mine", mine)
    return mine


@pytest.mark.parametrize(
    ("generator", "discriminator"),
    [(G, D), (make_g, make_d), ("mine:G", "mine:D"), ("mine:make_g", "mine:Nested.D"),
     (G(LATENT, SHAPE), "mine:ready")],
)  # fmt: skip
def test_both_sides_from_anything_that_makes_a_module(module, generator, discriminator):
    own = OwnNetworks(generator=generator, discriminator=discriminator)
    assert own.incompatibility(SHAPE) is None
    made = own.build(SHAPE, LATENT)
    assert set(made) == {"generator", "discriminator"}
    assert isinstance(made["generator"], G)
    assert isinstance(made["discriminator"], D)
    assert made["generator"].given == (LATENT, SHAPE)
    assert made["discriminator"].given == SHAPE


def test_a_ready_module_is_copied_for_each_run(module):
    ready = G(LATENT, SHAPE)
    own = OwnNetworks(generator=ready, discriminator="mine:ready")
    one, two = own.build(SHAPE, LATENT), own.build(SHAPE, LATENT)
    for side, source in (("generator", ready), ("discriminator", module.ready)):
        assert len({id(one[side]), id(two[side]), id(source)}) == 3
        assert torch.equal(one[side].layer.weight, source.layer.weight)


@pytest.mark.parametrize("side", ["generator", "discriminator"])
def test_a_side_left_out_comes_from_the_family_it_is_like(side):
    own = OwnNetworks(**{side: {"generator": G, "discriminator": D}[side]},
                      like=DCGANNetworks(width=2))  # fmt: skip
    made = own.build(SHAPE, LATENT)
    other = "discriminator" if side == "generator" else "generator"
    assert isinstance(made[side], (G, D))
    assert not isinstance(made[other], (G, D))
    assert made["generator"](torch.randn(3, LATENT)).shape == (3, *SHAPE)
    assert own.incompatibility((2,)) == DCGANNetworks().incompatibility((2,))
    alone = OwnNetworks(generator=G)
    assert alone.incompatibility(SHAPE) == "own networks want both generator= and discriminator="


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nowhere:G", "'nowhere:G' wants module:qualname of a class or function"),
        ("mine", "'mine' wants module:qualname"),
        ("mine:Missing", "no attribute 'Missing'"),
        (".mine:G", "'.mine:G' wants module:qualname"),
        ("", "wants module:qualname"),
        ("mine:three", "'mine:three' is a int: it wants a class or function"),
        ("mine:makes_text", "'mine:makes_text' made a str, not a torch.nn.Module"),
        ("mine:wants_more", "is called with (latent_dim, shape): missing a required argument"),
    ],
)
def test_what_makes_no_module_is_one_line(module, source, message):
    own = OwnNetworks(generator=source, discriminator=D)
    with pytest.raises(UserError) as raised:
        checked("networks", own.build, SHAPE, LATENT)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_discriminator_that_wants_two_arguments_is_told_what_it_gets():
    own = OwnNetworks(generator=make_g, discriminator=G)
    with pytest.raises(ValueError, match=r"is called with \(shape\)"):
        own.build(SHAPE, LATENT)


@pytest.mark.parametrize(
    ("shape", "own", "message"),
    [
        ((1, 28, 28), {"generator": lambda: nn.Linear(4, 6)}, r"makes \(6,\), the data are"),
        ((5,), {"discriminator": lambda: nn.Linear(5, 3)}, r"gives \(2, 3\) for 2 samples"),
        ((5,), {"discriminator": lambda: nn.Linear(9, 1)}, r"do not fit data of shape \(5,\)"),
    ],
)
def test_networks_that_do_not_fit_the_data_are_refused_when_built(shape, own, message):
    pair = {"generator": lambda: nn.Linear(4, 5), "discriminator": lambda: nn.Linear(5, 1), **own}
    with pytest.raises(ValueError, match=message):
        OwnNetworks(**pair).build(shape, 4)


def test_the_check_of_a_fit_leaves_networks_as_they_were():
    class WithNorm(nn.Sequential):
        def __init__(self):
            super().__init__(nn.Linear(4, 5), nn.BatchNorm1d(5))

    built = OwnNetworks(generator=WithNorm, discriminator=lambda: nn.Linear(5, 1)).build((5,), 4)
    assert built["generator"].training
    assert built["generator"][1].num_batches_tracked == 0


def test_they_are_recorded_by_name_and_read_back():
    own = OwnNetworks(generator=make_g, discriminator=D(SHAPE), like=DCGANNetworks(width=2))
    fields = own.model_dump(mode="json")
    assert fields["generator"] == f"{__name__}:make_g"
    assert fields["discriminator"] == f"{__name__}:D"
    assert fields["like"]["name"] == "dcgan"
    named = OwnNetworks(generator="mine:G", discriminator="mine:Nested.D", like="dcgan:width=3")
    assert Networks.read(named.model_dump(mode="json")) == named


def test_they_play_in_the_place_of_built_in_networks(module):
    recipe = find("dcgan").recipe.changed(
        networks=OwnNetworks(generator="mine:G", discriminator="mine:D"), prior="normal:dim=6"
    )
    state = recipe.start(SHAPE)
    assert isinstance(state.generator, G)
    assert isinstance(state.discriminator, D)
    assert isinstance(state.g_ema, G)


# ---- beside the two: classes, heads, an encoder ----------------------------------------------


class ClassedG(nn.Module):
    def __init__(self, latent_dim, shape, classes):
        super().__init__()
        self.given = (latent_dim, shape, classes)
        self.rows = nn.Embedding(classes, latent_dim)
        self.layer = nn.Linear(latent_dim, 784)

    def forward(self, latent):
        rows = self.rows(latent[:, -1].long())
        return self.layer(latent[:, :-1] + rows).tanh().unflatten(1, (1, 28, 28))


class ClassedD(nn.Module):
    def __init__(self, shape, classes):
        super().__init__()
        self.given = (shape, classes)
        self.rows = nn.Embedding(classes, 784)

    def forward(self, x, labels):
        return (x.flatten(1) * self.rows(labels)).sum(1)


class WithFeatures(nn.Module):
    """A discriminator whose features a head can read."""

    def __init__(self, width):
        super().__init__()
        self.trunk, self.head = nn.Linear(784, width), nn.Linear(width, 1)

    def features(self, x):
        return self.trunk(x.flatten(1))

    def forward(self, x):
        return self.head(self.features(x))


class Pairs(nn.Module):
    """A discriminator of images and latents."""

    def __init__(self, shape):
        super().__init__()
        self.layer = nn.Linear(784 + LATENT, 1)

    def forward(self, x, z):
        return self.layer(torch.cat([x.flatten(1), z], 1))


def conditional(**sides):
    return OwnNetworks(like=MulticlassNetworks(width=2, hidden=8, label_dim=4), **sides)


def test_networks_of_ones_own_are_told_what_the_family_tells_its_own():
    own = conditional(generator=ClassedG, discriminator=ClassedD)
    assert own.g_takes_classes
    assert own.d_takes_classes
    made = own.build(SHAPE, LATENT, Codes(classes=7))
    assert made["generator"].given == (LATENT, SHAPE, 7)
    assert made["discriminator"].given == (SHAPE, 7)
    unconditional = OwnNetworks(generator=G, discriminator=D, like=DCGANNetworks())
    assert not unconditional.g_takes_classes
    assert not OwnNetworks(generator=G, discriminator=D).d_takes_classes


def test_what_is_ready_takes_its_classes_with_it():
    own = conditional(generator=ClassedG(LATENT, SHAPE, 7), discriminator=ClassedD(SHAPE, 7))
    made = own.build(SHAPE, LATENT, Codes(classes=7))
    latent = torch.cat([torch.randn(3, LATENT), torch.tensor([[0.0], [6.0], [2.0]])], 1)
    images = made["generator"](latent)
    assert made["discriminator"](images, torch.tensor([0, 6, 2])).shape == (3,)


def test_a_conditional_game_is_played_with_them():
    recipe = find("multiclass-lsgan").recipe.changed(
        networks=conditional(generator=ClassedG, discriminator=ClassedD),
        prior="normal:dim=6", batch=4,
    )  # fmt: skip
    state = recipe.start(SHAPE, classes=5)
    assert state.generator.given[2] == state.discriminator.given[1] == 5
    with pytest.raises(UserError, match="want class labels, and there are none"):
        recipe.start(SHAPE)


def test_one_that_takes_no_class_where_it_is_told_one_is_refused():
    with pytest.raises(ValueError, match="do not fit data of shape"):
        conditional(generator=ClassedG, discriminator=D).build(SHAPE, LATENT, Codes(classes=3))
    with pytest.raises(ValueError, match="do not fit data of shape"):
        conditional(generator=G, discriminator=ClassedD).build(SHAPE, LATENT, Codes(classes=3))


@pytest.mark.parametrize(
    ("family", "head", "codes", "width"),
    [
        (ACGANNetworks(width=2, d_width=1), "classifier", Codes(classes=3), 32 * 16),
        (InfoGANNetworks(width=2, hidden=8, q_hidden=4), "q", Codes(3, 2), 8),
    ],
    ids=["acgan", "infogan"],
)
def test_a_head_of_the_family_reads_the_features_of_ones_own(family, head, codes, width):
    def build(discriminator):
        g = ClassedG(LATENT, SHAPE, 3) if family.g_takes_classes else G(LATENT, SHAPE)
        own = OwnNetworks(generator=g, discriminator=discriminator, like=family)
        return own.build(SHAPE, LATENT, codes)

    made = build(lambda: WithFeatures(width))
    assert set(made) == {"generator", "discriminator", head}
    assert isinstance(made["discriminator"], WithFeatures)
    with pytest.raises(ValueError, match=f"the method's {head} reads D's features: give"):
        build(D)
    with pytest.raises(ValueError, match="do not fit data of shape"):
        build(lambda: WithFeatures(width + 1))


def test_a_discriminator_of_pairs_is_told_latents_and_the_encoder_stays():
    family = BiGANNetworks(width=2, hidden=8)
    own = OwnNetworks(generator=G, discriminator=Pairs, like=family)
    assert own.d_takes_latents
    made = own.build(SHAPE, LATENT)
    assert set(made) == {"generator", "discriminator", "encoder"}
    assert made["encoder"](torch.zeros(2, *SHAPE)).shape == (2, LATENT)
    assert own.incompatibility((2,)) == family.incompatibility((2,))
    with pytest.raises(ValueError, match="do not fit data of shape"):
        OwnNetworks(generator=G, discriminator=D, like=family).build(SHAPE, LATENT)
