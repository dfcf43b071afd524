"""The improved-GAN networks, to the number, and their weight normalisation."""

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from steadygan.networks import ImprovedNetworks


def built(shape, latent=100, **fields):
    torch.manual_seed(0)
    return ImprovedNetworks(**fields).build(shape, latent)


def layers(module, *kinds):
    return [m for m in module.modules() if isinstance(m, kinds)]


def test_the_cifar_networks_have_the_layers_of_the_authors_code():
    made = built((3, 32, 32))
    g, d = made["generator"], made["discriminator"]
    ups = layers(g, nn.Linear, nn.ConvTranspose2d)
    assert [getattr(m, "out_features", None) or m.out_channels for m in ups] == [
        4 * 4 * 512, 256, 128, 3
    ]  # fmt: skip
    assert {m.kernel_size for m in ups[1:]} == {(5, 5)}
    convolutions = layers(d, nn.Conv2d)
    assert [m.out_channels for m in convolutions] == [96] * 3 + [192] * 6
    assert [m.stride[0] for m in convolutions] == [1, 1, 2, 1, 1, 2, 1, 1, 1]
    assert [m.kernel_size[0] for m in convolutions] == [3] * 7 + [1, 1]
    assert convolutions[6].padding == (0, 0)
    assert [m.p for m in layers(d, nn.Dropout)] == [0.2, 0.5, 0.5]
    assert {m.negative_slope for m in layers(d, nn.LeakyReLU)} == {0.2}
    assert d.head.in_features == 192


def test_the_parameters_are_those_of_the_layers():
    made = built((3, 32, 32))
    kernels = [(3, 96, 9), (96, 96, 9), (96, 96, 9), (96, 192, 9), (192, 192, 9), (192, 192, 9),
               (192, 192, 9), (192, 192, 1), (192, 192, 1)]  # fmt: skip
    wanted = sum(i * o * k + 2 * o for i, o, k in kernels) + 192 + 2  # weight, bias and length
    assert sum(p.numel() for p in made["discriminator"].parameters()) == wanted
    g = 100 * 8192 + 2 * 8192 + 25 * (512 * 256 + 256 * 128 + 128 * 3) + 2 * 256 + 2 * 128 + 3 + 3
    assert sum(p.numel() for p in made["generator"].parameters()) == g


def test_all_of_d_and_gs_last_layer_are_weight_normalised():
    made = built((3, 32, 32), width=4, d_width=6)
    for layer in layers(made["discriminator"], nn.Conv2d, nn.Linear):
        assert parametrize.is_parametrized(layer, "weight")
    ups = layers(made["generator"], nn.Linear, nn.ConvTranspose2d)
    assert [parametrize.is_parametrized(m) for m in ups] == [False, False, False, True]
    assert not layers(made["discriminator"], nn.BatchNorm2d)
    assert len(layers(made["generator"], nn.BatchNorm2d, nn.BatchNorm1d)) == 3


@pytest.mark.parametrize("transposed", [False, True])
def test_a_weight_is_its_direction_times_a_length_for_each_output(transposed):
    """w = g v / ||v||: Salimans & Kingma 2016, eq. 2; doubling v changes nothing, g scales."""
    made = built((3, 32, 32), width=4, d_width=6)
    layer = made["generator"][-2] if transposed else made["discriminator"].trunk[3]
    lengths, direction = (getattr(layer.parametrizations.weight, f"original{i}") for i in (0, 1))
    out = layer.weight.shape[1 if transposed else 0]
    assert lengths.numel() == out
    rows = layer.weight.movedim(1 if transposed else 0, 0).flatten(1)
    torch.testing.assert_close(rows.norm(dim=1), lengths.flatten().abs())
    before = layer.weight.detach().clone()
    with torch.no_grad():
        direction.mul_(2)
        torch.testing.assert_close(layer.weight, before)
        lengths.mul_(3)
    torch.testing.assert_close(layer.weight, 3 * before)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [16, 20, 28, 32, 36, 64])
def test_any_size_builds_in_range(size, channels):
    shape = (channels, size, size)
    made = built(shape, latent=9, width=2, d_width=3)
    images = made["generator"](torch.randn(5, 9) * 100)
    assert images.shape == (5, *shape)
    assert images.abs().max() <= 1
    features = made["discriminator"].features(images)
    assert features.shape == (5, 6)
    assert made["discriminator"].head(features).shape == (5, 1)
    assert isinstance(made["generator"][-1], nn.Tanh)


def test_without_dropout_ds_training_forward_is_its_eval_forward():
    images = torch.randn(4, 3, 32, 32)
    d = built((3, 32, 32), d_width=4, d_dropout=False)["discriminator"]
    assert torch.equal(d.train()(images), d.eval()(images))
    d = built((3, 32, 32), d_width=4)["discriminator"]
    assert not torch.equal(d.train()(images), d.eval()(images))


@pytest.mark.parametrize("width", [8, 96])
def test_every_layer_starts_with_outputs_of_about_1_and_the_ends_with_a_tenth(width):
    """Whatever the width: 48 times as many inputs would otherwise be 7 times as large, 9 times."""
    made = built((3, 32, 32), width=width, d_width=width, d_dropout=False)
    seen = []
    convolutions = layers(made["discriminator"], nn.Conv2d)
    for layer in [*convolutions, made["discriminator"].head]:
        layer.register_forward_hook(lambda module, inputs, out: seen.append(out.detach()))
    with torch.no_grad():
        made["discriminator"](torch.randn(64, 3, 32, 32))
        before_tanh = made["generator"][:-1](torch.rand(64, 100) * 2 - 1)
    assert len(seen) == 10
    for out in seen[:-1]:
        assert 0.4 < out.square().mean().sqrt().item() < 2.5
    assert seen[-1].abs().max().item() < 1
    assert 0.05 < before_tanh.std().item() < 0.2
