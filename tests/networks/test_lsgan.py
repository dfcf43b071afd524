"""LSGAN's networks for scenes: the authors' at 112 pixels, and at any other size."""

import pytest
import torch
from torch import nn

from steadygan.networks import LSGANNetworks


def built(shape, latent=8, **fields):
    torch.manual_seed(0)
    return LSGANNetworks(**fields).build(shape, latent)


def test_112_pixels_have_the_networks_of_the_authors():
    made = LSGANNetworks().build((3, 112, 112), 1024)
    g, d = made["generator"], made["discriminator"]
    layers = [m for m in g.modules() if isinstance(m, nn.ConvTranspose2d)]
    assert [m.out_channels for m in layers] == [256, 256, 256, 256, 128, 64, 3]
    assert [m.stride[0] for m in layers] == [2, 1, 2, 1, 2, 2, 1]
    assert {m.kernel_size for m in layers} == {(3, 3)}
    assert g[0].weight.shape == (256 * 7 * 7, 1024)
    assert sum(isinstance(m, nn.BatchNorm2d) for m in g.modules()) == 7
    convs = [m for m in d.modules() if isinstance(m, nn.Conv2d)]
    assert [m.out_channels for m in convs] == [64, 128, 256, 512]
    assert {(m.kernel_size, m.stride) for m in convs} == {((5, 5), (2, 2))}
    assert d.head.in_features == 512 * 7 * 7


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [16, 20, 28, 32, 36, 64, 112])
def test_any_size_builds_in_range(size, channels):
    made = built((channels, size, size), width=2, d_width=2)
    images = made["generator"](100 * torch.randn(3, 8))
    assert images.shape == (3, channels, size, size)
    assert images.abs().max() <= 1
    assert made["discriminator"](images).shape == (3, 1)


def test_every_weight_starts_with_a_spread_of_002():
    for net in built((1, 28, 28), width=16, d_width=8).values():
        for name, weight in net.named_parameters():
            if weight.dim() > 1 and weight.numel() > 1000:
                assert 0.018 <= weight.std().item() <= 0.022, name
