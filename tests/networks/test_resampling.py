"""Convolutions that halve or double a side, against the two operations that they stand for."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from steadygan.networks.resampling import LEAST_SIDE, DoublingConv, HalvingConv, enlarged, halved
from steadygan.networks.spectral import normalised_layers, spectral_norm

#: Of the larger map: one operation, two for an odd side, two for a small one.
SIDES = [16, 26, 25, 8, 7]


def halving(side, bias=True):
    """The layer, its input, and what it is by definition, of weight and bias."""
    torch.manual_seed(side)
    layer = HalvingConv(3, 5, side, bias).double()
    x = torch.randn(2, 3, side, side, dtype=torch.float64, requires_grad=True)
    return layer, x, lambda x, w, b: halved(nn.functional.conv2d(x, w, b, padding=1))


def doubling(side, bias=True):
    torch.manual_seed(side)
    layer = DoublingConv(3, 5, side, bias).double()
    half = (side + 1) // 2
    x = torch.randn(2, 3, half, half, dtype=torch.float64, requires_grad=True)
    return layer, x, lambda x, w, b: nn.functional.conv2d(enlarged(x, side), w, b, padding=1)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("kind", [halving, doubling])
def test_it_is_the_convolution_and_the_resampling(kind, side, bias):
    layer, x, apart = kind(side, bias)
    wanted = apart(x, layer.weight, layer.bias)
    torch.testing.assert_close(layer(x), wanted, rtol=1e-12, atol=1e-12)
    assert layer(x).shape[-1] == (side if kind is doubling else (side + 1) // 2)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("kind", [halving, doubling])
def test_its_first_and_second_derivatives_are_theirs(kind, side):
    """As a gradient penalty takes them: the gradient of the squared norm of a gradient."""
    layer, x, apart = kind(side)
    places = (x, layer.weight, layer.bias)
    found = []
    for out in (layer(x), apart(*places)):
        first = torch.autograd.grad(out.tanh().sum(), places, create_graph=True)
        second = torch.autograd.grad(sum(g.square().sum() for g in first), places)
        found.append((*first, *second))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("kind", [halving, doubling])
def test_one_operation_takes_four_ninths_of_the_multiplications(kind):
    layer, x, apart = kind(LEAST_SIDE)
    counts = []
    for run in (lambda: layer(x), lambda: apart(x, layer.weight, layer.bias)):
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            run()
        counts.append(sum(
            count for operation, count in counter.get_flop_counts()["Global"].items()
            if "conv" in str(operation)
        ))  # fmt: skip
    assert counts[0] * 9 == counts[1] * 4


@pytest.mark.parametrize(("side", "at_once"), [(14, False), (15, False), (16, True), (17, False)])
def test_odd_and_small_sides_take_two_operations(side, at_once):
    for kind in (HalvingConv, DoublingConv):
        assert kind(2, 2, side).at_once is at_once


@pytest.mark.parametrize("kind", [HalvingConv, DoublingConv])
def test_the_state_and_spectral_norm_are_of_the_3x3_weight(kind):
    layer = kind(3, 5, 16)
    assert {name: tuple(t.shape) for name, t in layer.state_dict().items()} == {
        "weight": (5, 3, 3, 3), "bias": (5,)
    }  # fmt: skip
    spectral_norm(layer)
    ((_, normaliser, weight),) = normalised_layers(layer)
    assert normaliser.matrix(weight).shape == (5, 27)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("side", SIDES)
def test_the_plain_layers_give_the_same_bits(side, bias):
    layer, x, _ = doubling(side, bias)
    plain = layer.plain()
    assert {type(m).__module__.partition(".")[0] for m in plain.modules()} == {"torch"}
    assert torch.equal(plain(x), layer(x))


def test_odd_sides_are_cut_and_averaged_over_what_is_there():
    x = torch.arange(9.0).view(1, 1, 3, 3)
    assert halved(x)[0, 0].tolist() == [[2.0, 3.5], [6.5, 8.0]]
    assert enlarged(torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]), 3)[0, 0].tolist() == [
        [1, 1, 2], [1, 1, 2], [3, 3, 4]
    ]  # fmt: skip
