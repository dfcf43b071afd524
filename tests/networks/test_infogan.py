"""InfoGAN's networks, to the number."""

import pytest
import torch
from torch import nn

from steadygan.networks import InfoGANNetworks


def built(shape, latent=74, codes=(10, 2), **fields):
    torch.manual_seed(0)
    return InfoGANNetworks(**fields).build(shape, latent, codes)


def widths(module, *kinds):
    return [getattr(m, "out_features", None) or m.out_channels for m in module.modules()
            if isinstance(m, kinds)]  # fmt: skip


def test_grey_images_have_the_networks_of_appendix_c1():
    made = built((1, 28, 28))
    g, d, q = made["generator"], made["discriminator"], made["q"]
    assert widths(g, nn.Linear, nn.ConvTranspose2d) == [1024, 7 * 7 * 128, 64, 1]
    assert widths(d, nn.Linear, nn.Conv2d) == [64, 128, 1024, 1]
    assert widths(q, nn.Linear) == [128, 12]
    assert {m.kernel_size for m in [*g.modules(), *d.modules()] if hasattr(m, "kernel_size")} == {
        (4, 4)
    }
    slopes = {m.negative_slope for n in (d, q) for m in n.modules() if isinstance(m, nn.LeakyReLU)}
    assert slopes == {0.1}
    wanted = 74 * 1024 + 1024 * 3 + (1024 + 3) * 6272 + 128 * 64 * 16 + 64 * 3 + 64 * 16 + 1
    assert sum(p.numel() for p in g.parameters()) == wanted


@pytest.mark.parametrize(("size", "first"), [(28, 2), (32, 2), (64, 4)])
def test_colour_images_have_those_of_appendix_c2(size, first):
    made = built((3, size, size), latent=168)
    g, d = made["generator"], made["discriminator"]
    assert widths(g, nn.Linear, nn.ConvTranspose2d) == [first * first * 448, 256, 128, 64, 3]
    assert widths(d, nn.Conv2d) == [64, 128, 256]
    assert isinstance(d.trunk[1], nn.LeakyReLU)  # no batch norm on D's input layer


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [16, 20, 28, 32, 36, 48, 64])
def test_any_size_builds_in_range_and_q_reads_every_code(size, channels):
    shape = (channels, size, size)
    made = built(shape, latent=9, codes=(4, 3), width=2, hidden=8, q_hidden=4)
    images = made["generator"](torch.randn(5, 9) * 100)
    assert images.shape == (5, *shape)
    assert images.abs().max() <= 1
    features = made["discriminator"].features(images)
    assert made["discriminator"].head(features).shape == (5, 1)
    logits, means = made["q"](features)
    assert (logits.shape, means.shape) == ((5, 4), (5, 3))
    assert isinstance(made["generator"][-1], nn.Tanh)
    assert not any("Pool" in type(m).__name__ for n in made.values() for m in n.modules())


def test_the_start_is_normal_002():
    for net in built((1, 28, 28)).values():
        for name, weight in net.named_parameters():
            if weight.dim() > 1 and weight.numel() > 1000:
                assert 0.018 <= weight.std().item() <= 0.022, name


def test_without_codes_there_is_nothing_to_read():
    with pytest.raises(ValueError, match="prior=coded"):
        built((1, 28, 28), codes=(0, 0))
    assert InfoGANNetworks().reads_codes
