"""Notes at the start: what the guidelines say of built networks, one's own included."""

import re
import warnings

import pytest
import torch
from tiny import GREY, IMAGE, POINT, shrunk
from torch import nn
from typer.testing import CliRunner

from steadygan.cli import app
from steadygan.errors import UserError
from steadygan.losses.penalties import GradientPenalty
from steadygan.methods import find
from steadygan.networks import DCGANNetworks, OwnNetworks
from steadygan.recipes.guidelines import notes, notes_on_all
from steadygan.study.compose import compose

DCGAN = find("dcgan").recipe.changed(networks=DCGANNetworks(width=4, kernel=4))


def critic(*middle, out=32 * 32):
    """A discriminator of 32-pixel images with `middle` inside, as a class of one's own."""

    class Critic(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.Sequential(nn.Conv2d(3, 1, 3, padding=1), *(make() for make in middle),
                                        nn.Flatten(), nn.Linear(out, 1))  # fmt: skip

        def forward(self, x):
            return self.layers(x)

    return Critic


def generator(end):
    """A generator that ends in the function `end`."""

    class Generator(nn.Module):
        def __init__(self, latent_dim, shape):
            super().__init__()
            self.layer = nn.Linear(latent_dim, 3 * 32 * 32)

        def forward(self, z):
            return end(self.layer(z)).unflatten(1, (3, 32, 32))

    return Generator


def condition(recipe, shape=IMAGE, **own):
    """The notes on a recipe, with networks of one's own where they are given."""
    if own:
        recipe = recipe.changed(networks=OwnNetworks(**own, like=recipe.networks))
    return list(notes(recipe, shape, classes=4))


def test_a_recipe_that_follows_them_is_told_nothing():
    assert condition(DCGAN) == []
    assert condition(compose(find("wgan"), IMAGE, {"preset": "paper"})) == []


# ---- kernels and strides -------------------------------------------------------------------


@pytest.mark.parametrize(("kernel", "says"), [(3, True), (4, False), (5, True), (6, False)])
def test_a_kernel_that_its_stride_does_not_divide_is_said_with_the_remedy(kernel, says):
    recipe = DCGAN.changed(networks=DCGANNetworks(width=4, kernel=kernel))
    found = condition(recipe)
    assert len(found) == says
    if says:
        assert found[0].startswith(f"kernels of {kernel} at stride 2 reach pixels unevenly")
        assert "in discriminator and generator" in found[0]
        assert found[0].endswith("kernel=4 is even")


def test_where_a_network_has_no_such_setting_no_remedy_is_given():
    uneven = critic(lambda: nn.Conv2d(1, 1, 3, stride=2, padding=1), out=16 * 16)
    (found,) = condition(DCGAN, discriminator=uneven)
    assert found.endswith("in discriminator")
    assert "generator" not in found


@pytest.mark.parametrize(("kernel", "stride"), [(2, 2), (3, 2), (4, 2), (5, 2), (3, 3), (4, 3)])
def test_transposed_ones_are_even_inside_exactly_if_the_stride_divides_the_kernel(kernel, stride):
    """What the note is about: how often each pixel is reached."""
    layer = nn.ConvTranspose2d(1, 1, kernel, stride=stride, bias=False)
    with torch.no_grad():
        layer.weight.fill_(1.0)
        reached = layer(torch.ones(1, 1, 12, 12))[0, 0, kernel:-kernel, kernel:-kernel]
    assert (len(reached.unique()) == 1) is (kernel % stride == 0)


# ---- pooling, range, sparsity --------------------------------------------------------------


@pytest.mark.parametrize("pool", [nn.MaxPool2d, nn.AdaptiveMaxPool2d])
def test_max_pooling_is_said_and_average_pooling_is_not(pool):
    made = (lambda: pool(16)) if pool is nn.AdaptiveMaxPool2d else (lambda: pool(2))
    (found,) = condition(DCGAN, discriminator=critic(made, out=256))
    assert found.startswith("max pooling in discriminator")
    assert condition(DCGAN, discriminator=critic(lambda: nn.AvgPool2d(2), out=256)) == []


@pytest.mark.parametrize(
    ("end", "says"),
    [
        (torch.tanh, None),
        (nn.Tanh(), None),
        (nn.ReLU6(), "does not end in tanh"),
        (torch.sigmoid, r"ends in sigmoid, \[0, 1\]"),
        (nn.Sigmoid(), r"ends in sigmoid, \[0, 1\]"),
        (lambda x: x, "does not end in tanh"),
        (lambda x: torch.tanh(x) * 2, "does not end in tanh"),
        (lambda x: torch.relu(torch.tanh(x)), "does not end in tanh"),
    ],
)
def test_the_generators_range_is_that_of_the_data(end, says):
    found = condition(DCGAN, generator=generator(end))
    assert len(found) == (says is not None)
    if says:
        assert re.search(says, found[0])


def test_relu_in_d_is_said_and_leaky_relu_is_not():
    (found,) = condition(DCGAN, discriminator=critic(nn.ReLU))
    assert found.startswith("ReLU in the discriminator")
    assert condition(DCGAN, discriminator=critic(lambda: nn.LeakyReLU(0.2))) == []


def test_a_pretrained_network_is_looked_at_without_a_warning(recwarn):
    warnings.simplefilter("always")
    list(notes(shrunk(find("projected").recipe), GREY, 4))
    assert not recwarn.list


def test_points_in_the_plane_have_no_range_and_no_pixels():
    gan = find("gan")
    assert condition(gan.fitted(POINT), POINT) == []


# ---- batch norm under a penalty ------------------------------------------------------------


def test_batch_norm_under_a_penalty_is_said_once_of_every_kind_of_network():
    penalised = DCGAN.with_(GradientPenalty())
    (found,) = condition(penalised)
    assert "d_norm=none" in found
    mine = critic(lambda: nn.BatchNorm2d(1))
    (found,) = condition(penalised, discriminator=mine)
    assert found.startswith("gradient-penalty penalises each sample's own gradient")
    assert condition(penalised, discriminator=critic()) == []
    assert condition(DCGAN, discriminator=mine) == []


# ---- how they look -------------------------------------------------------------------------


def test_a_batch_of_both_kinds_is_said_where_d_has_batch_norm():
    recipe = find("dcgan").recipe
    joint = recipe.changed(joint_batches=True)
    (said,) = set(notes(joint, (3, 32, 32))) - set(notes(recipe, (3, 32, 32)))
    assert said.startswith("joint_batches lets batch norm in the discriminator tell real from")
    bare = compose(find("dcgan"), (3, 32, 32), {"joint_batches": "true", "d_norm": "none"})
    assert not any("joint_batches" in note for note in notes(bare, (3, 32, 32)))


def test_looking_draws_nothing_and_builds_without_memory_where_it_can(monkeypatch):
    devices = []

    class Notes(nn.Module):
        def __init__(self, shape):
            super().__init__()
            self.layer = nn.Linear(3 * 32 * 32, 1)
            devices.append(self.layer.weight.device.type)

        def forward(self, x):
            return self.layer(x.flatten(1))

    torch.manual_seed(5)
    before = torch.get_rng_state()
    assert condition(DCGAN, discriminator=Notes) == []
    assert devices == ["meta"]
    assert torch.equal(torch.get_rng_state(), before)


def test_networks_that_read_their_own_numbers_are_built_on_the_cpu():
    class Reads(nn.Module):
        def __init__(self, shape):
            super().__init__()
            self.layer = nn.Linear(3 * 32 * 32, 1)
            self.scale = self.layer.weight.abs().max().item()
            self.pool = nn.MaxPool2d(2)

        def forward(self, x):
            return self.layer(x.flatten(1)) / self.scale

    torch.manual_seed(5)
    before = torch.get_rng_state()
    assert ["max pooling" in text for text in condition(DCGAN, discriminator=Reads)] == [True]
    assert torch.equal(torch.get_rng_state(), before)


def test_a_ready_module_is_looked_at_and_stays_as_it_is():
    mine = critic(lambda: nn.BatchNorm2d(1))()
    before = {name: value.clone() for name, value in mine.state_dict().items()}
    assert condition(DCGAN, discriminator=mine) == []
    assert all(torch.equal(value, before[name]) for name, value in mine.state_dict().items())
    assert {p.device.type for p in mine.parameters()} == {"cpu"}
    assert mine.training


def test_networks_that_cannot_be_built_are_refused_as_at_the_start():
    with pytest.raises(UserError, match="networks: the generator makes"):
        condition(DCGAN, generator=lambda latent_dim, shape: nn.Linear(latent_dim, 7))


def test_a_note_on_several_recipes_is_given_once_with_their_names():
    uneven = find("dcgan").recipe
    recipes = {"a": shrunk(uneven), "b": DCGAN, "c": shrunk(uneven, width=8)}
    (found,) = notes_on_all(recipes, GREY)
    assert found.startswith("a, c: kernels of 5 at stride 2")


def test_the_command_line_says_them_before_it_trains(tmp_path):
    words = "train dcgan width=4 batch=8 --steps 1 --data mnist --out"
    found = CliRunner().invoke(app, [*words.split(), f"{tmp_path}/a"])
    assert found.exit_code == 0, found.output
    assert "note: kernels of 5 at stride 2" in found.stderr
    even = CliRunner().invoke(app, [*words.split(), f"{tmp_path}/b", "kernel=4"])
    assert "note:" not in even.stderr


def test_a_study_says_each_note_once_with_the_methods_names(tmp_path):
    words = "compare dcgan wgan gan width=4 batch=8 --steps 1 --data mnist --plan --out"
    found = CliRunner().invoke(app, [*words.split(), f"{tmp_path}/study"])
    assert found.exit_code == 0, found.output
    said = [line for line in found.stderr.splitlines() if "kernels" in line]
    assert len(said) == 1
    assert said[0].startswith("note: dcgan, wgan: kernels of 5 at stride 2")
