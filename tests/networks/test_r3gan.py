"""R3GAN's networks: their blocks, their start, their resampling."""

import itertools
import math

import pytest
import torch
from torch import nn

from steadygan.networks import R3GANNetworks
from steadygan.networks.r3gan import Resample, ResidualBlock


def count(module):
    return sum(p.numel() for p in module.parameters())


def built(shape, latent=64, seed=0, **fields):
    torch.manual_seed(seed)
    made = R3GANNetworks(**fields).build(shape, latent)
    return made["generator"], made["discriminator"]


def expected(size, channels, widths, blocks, group, latent=64):
    """Parameters of G and D by hand: `widths` from the image down to `size`^2 pixels."""
    inside = sum(
        blocks * (w * 2 * w + 2 * w + 2 * w * group * 9 + 2 * w + 2 * w * w) for w in widths
    )
    between = sum(a * b for a, b in itertools.pairwise(widths) if a != b)
    basis = widths[-1] * size**2
    g = latent * widths[-1] + basis + inside + between + widths[0] * channels
    d = channels * widths[0] + inside + between + basis + widths[-1]
    return g, d


@pytest.mark.parametrize(
    ("shape", "fields", "wanted"),
    [
        ((3, 32, 32), {"width": 768}, expected(4, 3, [768] * 4, 2, 16)),
        ((3, 64, 64), {"width": 64}, expected(4, 3, [32, 64, 64, 64, 64], 2, 16)),
        ((1, 28, 28), {"width": 32, "blocks": 1}, expected(4, 1, [32] * 4, 1, 16)),
        ((1, 16, 16), {"width": 32, "group": 8}, expected(4, 1, [32] * 3, 2, 8)),
    ],
)
def test_the_parameters_by_hand(shape, fields, wanted):
    assert tuple(count(net) for net in built(shape, **fields)) == wanted


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [16, 20, 28, 32, 36, 64, 100, 512])
def test_any_size_builds_and_the_output_is_an_image_in_range(size, channels):
    g, d = built((channels, size, size), latent=6, width=4, blocks=1)
    with torch.no_grad():
        images = g(torch.randn(2, 6) * 10)
        assert images.shape == (2, channels, size, size)
        assert 0.5 < images.abs().max() <= 1
        assert d(images).shape == (2, 1)


@pytest.mark.parametrize(("size", "sides"), [(28, [4, 7, 14, 28]), (16, [4, 8, 16])])
def test_sizes_are_halved_up_to_four_pixels(size, sides):
    g, d = built((1, size, size), width=4, blocks=1)
    seen = []
    for net in (g, d.trunk):
        for layer in net:
            if isinstance(layer, ResidualBlock):
                layer.register_forward_hook(lambda m, i, out: seen.append(out.shape[-1]))
    d(g(torch.randn(2, 64)))
    assert seen == sides + sides[::-1]


def test_no_layer_normalises_and_samples_are_judged_one_by_one():
    for net in built((3, 32, 32), width=8):
        assert not any("Norm" in type(m).__name__ for m in net.modules())
    _, d = built((3, 32, 32), width=8)
    x = torch.rand(4, 3, 32, 32)
    alone = torch.cat([d(one[None]) for one in x])
    torch.testing.assert_close(d(x), alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("blocks", [1, 3])
def test_blocks_start_as_the_identity_with_the_papers_variance(blocks):
    """Gain L^(-1/4) of a leaky ReLU's, L blocks in all; the last convolution 0; biases 0."""
    for net in built((3, 32, 32), width=64, blocks=blocks):
        found = [m for m in net.modules() if isinstance(m, ResidualBlock)]
        assert len(found) == 4 * blocks
        x = torch.randn(2, 64, 8, 8)
        for block in found:
            assert torch.equal(block(x), x)
            first, _, second, _, last = block.layers
            assert second.groups == 2 * 64 // 16
            assert not last.weight.any()
            assert last.bias is None
            assert not first.bias.any()
            assert not second.bias.any()
            gain = math.sqrt(2 / (1 + 0.2**2)) * (4 * blocks) ** -0.25
            for conv, fan_in in ((first, 64), (second, 16 * 9)):
                wanted = gain / math.sqrt(fan_in)
                assert conv.weight.std().item() == pytest.approx(wanted, rel=0.03)


def test_the_generators_start_is_its_basis_scaled_by_z():
    g, _ = built((1, 16, 16), width=8)
    z = torch.randn(3, 64)
    wanted = (z @ g[0].linear.weight.T)[:, :, None, None] * g[0].basis
    torch.testing.assert_close(g[0](z), wanted)
    assert g[0].basis.shape == (8, 4, 4)


@pytest.mark.parametrize(("size", "target"), [(28, 14), (14, 7), (7, 4), (4, 7), (7, 14), (8, 16)])
def test_resampling_keeps_a_constant_up_to_the_borders(size, target):
    resample = Resample(size, target)
    flat = torch.full((1, 2, size, size), 0.7)
    torch.testing.assert_close(resample(flat), torch.full((1, 2, target, target), 0.7))
    assert (resample.matrix >= 0).all()
    assert list(resample.state_dict()) == []


def test_resampling_is_the_convolution_with_1_3_3_1():
    x = torch.randn(2, 3, 12, 12)
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
    kernel = (taps[:, None] * taps).expand(3, 1, 4, 4)
    down = nn.functional.conv2d(x, kernel, stride=2, padding=1, groups=3)
    up = nn.functional.conv_transpose2d(x, 4 * kernel, stride=2, padding=1, groups=3)
    inner = slice(1, -1)  # borders are weighted means here, and fade to 0 there
    for found, wanted in ((Resample(12, 6)(x), down), (Resample(12, 24)(x), up)):
        torch.testing.assert_close(
            found[..., inner, inner], wanted[..., inner, inner], rtol=1e-5, atol=1e-6
        )


def test_a_group_that_does_not_divide_the_channels_gets_one_that_does():
    block = ResidualBlock(10, 16, 4)
    assert block(torch.randn(1, 10, 4, 4)).shape == (1, 10, 4, 4)
    assert 20 % block.layers[2].groups == 0
