"""The pieces that networks share: sizes, strides, starting weights, misfits."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from steadygan.networks import DCGANNetworks, InfoGANNetworks, MLPNetworks, Networks
from steadygan.networks.base import double_conv, down_conv, feature_sizes, init_normal

CONVOLUTIONAL = [DCGANNetworks(width=2), InfoGANNetworks(width=2, hidden=8, q_hidden=4)]


@pytest.mark.parametrize(
    ("size", "times", "wanted"),
    [(28, 4, [28, 14, 7, 4, 2]), (32, 4, [32, 16, 8, 4, 2]), (64, 4, [64, 32, 16, 8, 4]),
     (36, 4, [36, 18, 9, 5, 3]), (17, 2, [17, 9, 5])],
)  # fmt: skip
def test_sizes_halve_and_round_up(size, times, wanted):
    assert feature_sizes(size, times) == wanted


@pytest.mark.parametrize("kernel", [3, 4, 5, 6, 7])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 14, 20, 28, 31])
def test_convolutions_halve_and_double_to_the_pixel(kernel, size):
    half = (size + 1) // 2
    assert down_conv(2, 3, kernel, size)(torch.zeros(1, 2, size, size)).shape == (1, 3, half, half)
    targets = {2 * size, 2 * size - 1}
    for target in targets:
        made = double_conv(2, 3, kernel, size, target)(torch.zeros(1, 2, size, size))
        assert made.shape == (1, 3, target, target)


def test_28_pixels_take_the_output_paddings_of_the_specification():
    sizes = [2, 4, 7, 14, 28]
    convs = [double_conv(1, 1, 5, a, b) for a, b in pairwise(sizes)]
    assert [c.output_padding for c in convs] == [(1, 1), (0, 0), (1, 1), (1, 1)]
    assert [c.padding for c in convs] == [(2, 2)] * 4


def test_the_start_is_normal_002_with_zero_biases_and_unit_scales():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(100, 100), nn.BatchNorm1d(100), nn.ConvTranspose2d(50, 50, 5),
                        nn.Conv2d(50, 50, 5, bias=False))  # fmt: skip
    init_normal(net)
    for layer in (net[0], net[2], net[3]):
        assert layer.weight.std().item() == pytest.approx(0.02, rel=0.05)
        assert layer.weight.mean().item() == pytest.approx(0.0, abs=1e-3)
    assert (net[0].bias == 0).all()
    assert (net[2].bias == 0).all()
    assert (net[1].weight == 1).all()
    assert net[1].eps == 1e-5
    assert net[1].momentum == 0.1  # torch's is one minus TensorFlow's .9


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2,), "make images, not vectors"),
        ((1, 28, 32), "make square images, not 28x32"),
        ((3, 8, 8), "make 16 to 512 pixels, not 8: set size="),
        ((3, 513, 513), "make 16 to 512 pixels, not 513: set size="),
    ],
)
@pytest.mark.parametrize("networks", CONVOLUTIONAL, ids=lambda n: n.name)
def test_a_shape_that_cannot_be_made_is_named_with_what_to_do(networks, shape, message):
    problem = networks.incompatibility(shape)
    assert problem == f"'{networks.name}' networks {message}"
    assert MLPNetworks().incompatibility(shape) is None


@pytest.mark.parametrize("family", Networks.members().values(), ids=lambda f: f.name)
def test_every_family_names_sizes_that_it_fits(family):
    assert {28, 32, 64} <= set(family.sizes)
    if family.name != "own":
        assert all(
            family().incompatibility((c, s, s)) is None for s in family.sizes for c in (1, 3)
        )
