"""AC-GAN's networks: the table of the paper, at every size."""

import pytest
import torch
from torch import nn
from torch.nn.functional import one_hot

from steadygan.networks import ACGANNetworks
from steadygan.networks.base import Codes
from steadygan.networks.labels import with_class


def built(shape, latent=8, classes=10, **fields):
    torch.manual_seed(0)
    return ACGANNetworks(**fields).build(shape, latent, Codes(classes=classes))


def test_32_pixels_have_the_networks_of_the_paper():
    made = built((3, 32, 32), latent=100)
    g, d = made["generator"], made["discriminator"]
    deconvs = [m for m in g.modules() if isinstance(m, nn.ConvTranspose2d)]
    assert [(m.in_channels, m.out_channels) for m in deconvs] == [(384, 192), (192, 96), (96, 3)]
    assert {m.kernel_size for m in deconvs} == {(5, 5)}
    assert g.noise.weight.shape == (384 * 4 * 4, 100)
    assert g.label.weight.shape == (10, 384 * 4 * 4)
    convs = [m for m in d.modules() if isinstance(m, nn.Conv2d)]
    assert [m.out_channels for m in convs] == [16, 32, 64, 128, 256, 512]
    assert [m.stride[0] for m in convs] == [2, 1, 2, 1, 2, 1]
    assert {m.kernel_size for m in convs} == {(3, 3)}
    assert not isinstance(d.trunk[1], nn.BatchNorm2d)
    assert sum(isinstance(m, nn.BatchNorm2d) for m in d.modules()) == 5
    assert {m.p for m in d.modules() if isinstance(m, nn.Dropout)} == {0.5}
    assert {m.negative_slope for m in d.modules() if isinstance(m, nn.LeakyReLU)} == {0.2}
    assert made["classifier"].weight.shape == (10, 512 * 4 * 4)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [16, 20, 28, 32, 36, 64, 100])
def test_any_size_builds_in_range_and_both_heads_read_the_features(size, channels):
    shape = (channels, size, size)
    made = built(shape, width=2, d_width=2)
    latent = with_class(100 * torch.randn(5, 8), torch.arange(5))
    images = made["generator"](latent)
    assert images.shape == (5, *shape)
    assert images.abs().max() <= 1
    features = made["discriminator"].features(images)
    assert made["discriminator"].head(features).shape == (5, 1)
    assert made["classifier"](features).shape == (5, 10)


def test_the_first_layer_is_one_on_noise_and_one_hot_label():
    g = built((1, 28, 28), width=2, d_width=2)["generator"]
    noise, labels = torch.randn(6, 8), torch.tensor([3, 0, 9, 3, 1, 2])
    matrix = torch.cat([g.noise.weight, g.label.weight.T], 1)
    flat = torch.cat([noise, one_hot(labels, 10)], 1) @ matrix.T + g.noise.bias
    wanted = g.layers(flat)
    assert torch.allclose(g(with_class(noise, labels)), wanted, atol=1e-6)
    other = g(with_class(noise, labels.roll(1)))
    assert (other - wanted).abs().max() > 0.05 * wanted.std()


def test_every_weight_starts_with_a_spread_of_002():
    for net in built((1, 28, 28), width=16, d_width=8).values():
        for name, weight in net.named_parameters():
            if weight.dim() > 1 and weight.numel() > 1000:
                assert 0.018 <= weight.std().item() <= 0.022, name


def test_g_is_told_the_class_and_d_is_not():
    assert ACGANNetworks().g_takes_classes
    assert not ACGANNetworks().d_takes_classes
    assert ACGANNetworks().reads_classes
