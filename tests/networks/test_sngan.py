"""SNGAN's networks: layers, channels, sides, starts."""

import math

import pytest
import torch
from torch import nn

from steadygan.networks import SNGANNetworks
from steadygan.networks.attention import SelfAttention
from steadygan.networks.resampling import halved
from steadygan.networks.residual import DownBlock, SumPool, UpBlock, glorot_

CONVS = (nn.Conv2d, nn.ConvTranspose2d)


def built(shape, latent=128, **fields):
    torch.manual_seed(0)
    made = SNGANNetworks(**fields).build(shape, latent)
    return made["generator"], made["discriminator"]


def layer(conv):
    """(kernel, stride, channels in, out) of a convolution."""
    return conv.kernel_size[0], conv.stride[0], conv.in_channels, conv.out_channels


def sides(network, x, kinds):
    """The sides of the maps that layers of `kinds` make, in order."""
    found = []
    for module in network.modules():
        if isinstance(module, kinds):
            module.register_forward_hook(lambda m, i, out: found.append(out.shape[-1]))
    with torch.no_grad():
        network(x)
    return found


# ---- the CNN -------------------------------------------------------------------------------


def test_the_cnn_has_the_published_layers():
    g, d = built((3, 32, 32))
    assert [layer(m) for m in d.trunk if isinstance(m, CONVS)] == [
        (3, 1, 3, 64), (4, 2, 64, 128), (3, 1, 128, 128), (4, 2, 128, 256), (3, 1, 256, 256),
        (4, 2, 256, 512), (3, 1, 512, 512),
    ]  # fmt: skip
    assert (d.head.in_features, d.head.out_features) == (512 * 4 * 4, 1)
    slopes = [m.negative_slope for m in d.modules() if isinstance(m, nn.LeakyReLU)]
    assert slopes == [0.1] * 7
    assert not any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in d.modules())
    assert g[0].out_features == 4 * 4 * 512
    assert [layer(m) for m in g if isinstance(m, CONVS)] == [
        (4, 2, 512, 256), (4, 2, 256, 128), (4, 2, 128, 64), (3, 1, 64, 3)
    ]  # fmt: skip
    assert [m.num_features for m in g if isinstance(m, nn.BatchNorm2d)] == [512, 256, 128, 64]
    assert sum(isinstance(m, nn.ReLU) for m in g) == 4
    assert isinstance(g[-1], nn.Tanh)
    assert all(m.bias is not None for net in (g, d) for m in net.modules()
               if isinstance(m, (*CONVS, nn.Linear)))  # fmt: skip


@pytest.mark.parametrize(("size", "wanted"), [
    (28, [4, 7, 14, 28, 28]), (32, [4, 8, 16, 32, 32]), (48, [6, 12, 24, 48, 48]),
    (64, [8, 16, 32, 64, 64]),
])  # fmt: skip
def test_the_cnn_starts_at_an_eighth(size, wanted):
    g, d = built((1, size, size), width=2)
    assert sides(g, torch.randn(2, 128), (nn.Unflatten, *CONVS)) == wanted
    down = sides(d, torch.randn(2, 1, size, size), CONVS)
    assert down == [size] + [s for s in wanted[2::-1] for _ in range(2)]


def test_the_cnn_starts_from_a_normal_of_std_002():
    for net in built((3, 32, 32)):
        for module in net.modules():
            if isinstance(module, (*CONVS, nn.Linear)):
                assert (module.bias == 0).all()
                if module.weight.numel() > 1000:
                    assert 0.018 <= module.weight.std().item() <= 0.022


# ---- the ResNets ---------------------------------------------------------------------------


def blocks(network, kind):
    """(channels in, hidden, out) of each block."""
    return [
        (b.convs[0].in_channels, b.convs[0].out_channels, b.convs[1].out_channels)
        for b in network.modules()
        if isinstance(b, kind)
    ]


def test_the_32_pixel_resnet_has_the_published_channels_and_sides():
    g, d = built((3, 32, 32), backbone="resnet")
    assert g[0].out_features == 4 * 4 * 256
    assert blocks(g, UpBlock) == [(256, 256, 256)] * 3
    assert blocks(d, DownBlock) == [(3, 128, 128)] + [(128, 128, 128)] * 3
    assert sides(g, torch.randn(2, 128), UpBlock) == [8, 16, 32]
    assert sides(d, torch.randn(2, 3, 32, 32), DownBlock) == [16, 8, 8, 8]
    halving = [b.convs[1] for b in d.modules() if isinstance(b, DownBlock) and b.halves]
    assert [(conv.side, conv.at_once) for conv in halving] == [(32, True), (16, True)]
    assert d.head.in_features == 128
    assert d.head.bias is None
    assert [type(m) for m in g[-4:]] == [nn.BatchNorm2d, nn.ReLU, nn.Conv2d, nn.Tanh]


def test_the_64_pixel_resnet_has_the_published_channels_and_sides():
    g, d = built((3, 64, 64), backbone="resnet", width=16)  # a quarter of the published 64
    assert g[0].out_features == 4 * 4 * 256
    assert [b[2] for b in blocks(g, UpBlock)] == [128, 64, 32, 16]
    assert [b[0] for b in blocks(g, UpBlock)] == [256, 128, 64, 32]
    assert blocks(d, DownBlock) == [(3, 16, 16), (16, 16, 32), (32, 32, 64), (64, 64, 128),
                                    (128, 128, 256)]  # fmt: skip
    assert sides(g, torch.randn(2, 128), UpBlock) == [8, 16, 32, 64]
    assert sides(d, torch.randn(2, 3, 64, 64), DownBlock) == [32, 16, 8, 4, 2]
    assert d.head.in_features == 256


def test_28_pixels_start_at_4_in_the_resnet_too():
    g, d = built((1, 28, 28), backbone="resnet", width=2)
    assert sides(g, torch.randn(2, 128), (nn.Unflatten, UpBlock)) == [4, 7, 14, 28]
    assert sides(d, torch.randn(2, 1, 28, 28), DownBlock) == [14, 7, 7, 7]


@pytest.mark.parametrize("size", [32, 64])
def test_resnet_weights_are_glorot_uniform_with_gain_root_2_in_residual_convolutions(size):
    g, d = built((3, size, size), backbone="resnet", width=32)
    residual = {c for net in (g, d) for b in net.modules() if isinstance(b, (UpBlock, DownBlock))
                for c in b.convs}  # fmt: skip
    plain = {m for net in (g, d) for m in net.modules()
             if isinstance(m, (nn.Conv2d, nn.Linear))} - residual  # fmt: skip
    assert plain
    for group, gain in ((residual, math.sqrt(2)), (plain, 1.0)):
        for module in group:
            area = module.weight[0, 0].numel() if module.weight.dim() == 4 else 1
            fans = (module.weight.shape[0] + module.weight.shape[1]) * area
            bound = gain * math.sqrt(6 / fans)
            assert module.weight.abs().max().item() <= bound
            if module.weight.numel() > 1000:
                assert module.weight.abs().max().item() > 0.98 * bound
                assert module.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.05)
            assert module.bias is None or (module.bias == 0).all()


def test_the_discriminators_features_are_sums_over_positions_of_what_is_above_0():
    x = torch.randn(3, 5, 4, 4, dtype=torch.float64)
    wanted = x.numpy().clip(0).sum((2, 3))
    assert SumPool()(x).numpy() == pytest.approx(wanted)
    _, d = built((1, 28, 28), backbone="resnet", width=2)
    assert isinstance(d.trunk[-1], SumPool)
    image = torch.randn(3, 1, 28, 28)
    assert torch.equal(d.head(d.features(image)), d(image))


def test_the_first_block_has_no_relu_before_it_and_a_side_that_stays_has_no_shortcut_weights():
    torch.manual_seed(0)
    first = DownBlock(2, 4, 8, first=True)
    x = -torch.rand(2, 2, 8, 8)
    assert not torch.allclose(first(x), first(torch.zeros_like(x)))
    later = DownBlock(2, 4, 8)
    only = (later(x) - later.shortcut(halved(x))).detach()
    none = (later(0 * x) - later.shortcut(halved(0 * x))).detach()
    torch.testing.assert_close(only, none)  # its residual branch sees only what is above 0
    same = DownBlock(4, 4)
    assert isinstance(same.shortcut, nn.Identity)
    assert first(x).shape == (2, 4, 4, 4)


def test_blocks_start_as_plain_convolutions_of_the_same_seed_do():
    for block in (lambda: DownBlock(3, 5, 16), lambda: DownBlock(3, 5), lambda: UpBlock(3, 5, 16)):
        torch.manual_seed(0)
        built = block()
        torch.manual_seed(0)
        for conv in built.convs:
            plain = nn.Conv2d(conv.in_channels, conv.out_channels, 3)
            assert torch.equal(conv.weight, glorot_(plain, math.sqrt(2)).weight)


def test_a_down_block_halves_after_its_shortcut_as_published():
    """The published block convolves, then averages; a 1x1 convolution commutes with averaging."""
    torch.manual_seed(0)
    block, x = DownBlock(3, 5, 16), torch.randn(2, 3, 16, 16)
    with torch.no_grad():
        block.shortcut.bias.normal_()
        inner = block.convs[0](x.clamp(min=0)).clamp(min=0)
        branch = nn.Conv2d.forward(block.convs[1], inner)
        published = nn.functional.avg_pool2d(branch + block.shortcut(x), 2)
        torch.testing.assert_close(block(x), published, rtol=1e-5, atol=1e-5)


def test_an_up_block_repeats_pixels_before_its_shortcut_as_published():
    torch.manual_seed(0)
    block, x = UpBlock(3, 5, side=16).eval(), torch.randn(2, 3, 8, 8)
    with torch.no_grad():
        block.shortcut.bias.normal_()
        twice = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
        act = block.norms[0](x).clamp(min=0).repeat_interleave(2, 2).repeat_interleave(2, 3)
        inner = block.norms[1](nn.Conv2d.forward(block.convs[0], act))
        branch = block.convs[1](inner.clamp(min=0))
        torch.testing.assert_close(block(x), branch + block.shortcut(twice), rtol=1e-5, atol=1e-5)


# ---- both ----------------------------------------------------------------------------------


@pytest.mark.parametrize("attention", [(), (1,)])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [16, 20, 28, 32, 36, 48, 64, 100])
@pytest.mark.parametrize("backbone", ["cnn", "resnet"])
def test_any_size_builds_and_the_output_is_an_image_in_range(backbone, size, channels, attention):
    shape = (channels, size, size)
    networks = SNGANNetworks(backbone=backbone, width=2, attention=attention)
    assert networks.incompatibility(shape) is None
    g, d = built(shape, latent=6, backbone=backbone, width=2, attention=attention)
    with torch.no_grad():
        for p in g.parameters():
            p.mul_(30)
        images = g(torch.randn(4, 6) * 10)
        assert images.shape == (4, *shape)
        assert 0.5 < images.abs().max() <= 1
        assert d(images).shape == (4, 1)


@pytest.mark.parametrize("size", [128, 512])
def test_large_sizes_start_at_8_or_4(size):
    networks = SNGANNetworks(width=1), SNGANNetworks(width=1, backbone="resnet")
    first = [n.build((1, size, size), 2)["generator"][1].unflattened_size for n in networks]
    assert [f[1] for f in first] == [8, 4]
    assert [f[0] for f in first] == [8, 16]  # channels stop doubling


@pytest.mark.parametrize(("backbone", "size", "at", "wanted"), [
    ("cnn", 32, (1,), [16, 16]), ("cnn", 28, (1,), [14, 14]), ("cnn", 64, (1, 2), [16, 32, 32, 16]),
    ("resnet", 32, (1, 2), [8, 16, 16, 8]), ("resnet", 28, (1,), [14, 14]),
    ("resnet", 64, (1,), [32, 32]),
])  # fmt: skip
def test_attention_stands_where_maps_have_been_halved_so_often(backbone, size, at, wanted):
    g, d = built((1, size, size), backbone=backbone, width=8, attention=at)
    found = sides(g, torch.randn(2, 128), SelfAttention)
    found += sides(d, torch.randn(2, 1, size, size), SelfAttention)
    assert found == wanted


def test_attention_takes_its_settings_and_is_not_fused_in_d():
    g, d = built((1, 28, 28), width=8, attention=(1,))
    (of_g,), (of_d,) = ([m for m in n.modules() if isinstance(m, SelfAttention)] for n in (g, d))
    assert of_g.pool
    assert of_d.pool
    assert of_g.fused
    assert not of_d.fused
    assert of_d.value.out_channels == 8
    g, _ = built((1, 28, 28), width=8, attention=(1,), attention_pool=False,
                 attention_values="full")  # fmt: skip
    (of_g,) = [m for m in g.modules() if isinstance(m, SelfAttention)]
    assert not of_g.pool
    assert of_g.value.out_channels == 16


def test_attention_deeper_than_d_halves_is_a_misfit_in_words():
    networks = SNGANNetworks(backbone="resnet", attention=(3,))
    assert "attention=3: D halves 32 pixels 2 times" in networks.incompatibility((3, 32, 32))
    assert networks.incompatibility((3, 64, 64)) is None
    assert SNGANNetworks(attention=(3,)).incompatibility((3, 32, 32)) is None
    with pytest.raises(ValueError, match="greater than or equal to 1"):
        SNGANNetworks(attention=(0,))
