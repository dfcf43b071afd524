"""DCGAN's networks, to the number."""

import pytest
import torch
from torch import nn

from steadygan.networks import DCGANNetworks


def count(module):
    return sum(p.numel() for p in module.parameters())


def built(shape, latent=100, **fields):
    torch.manual_seed(0)
    made = DCGANNetworks(**fields).build(shape, latent)
    return made["generator"], made["discriminator"]


@pytest.mark.parametrize(("size", "wanted"), [(32, 8_825_220), (64, 9_451_908)])
def test_the_default_has_the_sources_parameters(size, wanted):
    g, d = built((3, size, size))
    assert count(g) + count(d) == wanted
    weights = [p for net in (g, d) for n, p in net.named_parameters() if p.dim() > 1]
    assert len(weights) == 10
    for weight in weights:
        if weight.numel() > 1000:
            assert 0.018 <= weight.std().item() <= 0.022
    convs = [m for net in (g, d) for m in net.modules()
             if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear))]  # fmt: skip
    assert all((m.bias == 0).all() for m in convs)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [16, 20, 28, 32, 36, 48, 64, 100])
@pytest.mark.parametrize("kernel", [4, 5])
def test_any_size_builds_and_the_output_is_an_image_in_range(size, channels, kernel):
    shape = (channels, size, size)
    g, d = built(shape, latent=6, width=2, kernel=kernel)
    with torch.no_grad():
        for p in g.parameters():
            p.mul_(30)  # far beyond the start, so that an end without tanh would leave [-1, 1]
        images = g(torch.randn(4, 6) * 10)
        assert images.shape == (4, *shape)
        assert images.abs().max() <= 1
        assert images.abs().max() > 0.5
        assert d(images).shape == (4, 1)


def test_28_pixels_go_through_2_4_7_14_28():
    g, d = built((1, 28, 28), width=2)
    sides = []
    for net in (g, d.trunk):
        for layer in net:
            if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d, nn.Unflatten)):
                layer.register_forward_hook(lambda m, i, out: sides.append(out.shape[-1]))
    d(g(torch.randn(2, 100)))
    assert sides == [2, 4, 7, 14, 28, 14, 7, 4, 2]


@pytest.mark.parametrize("fields", [{}, {"stages": None, "kernel": 4}, {"stages": 2}])
def test_the_guidelines(fields):
    """No pooling, no hidden FC, batch norm but on G's output and D's input, tanh, LeakyReLU .2."""
    g, d = built((3, 32, 32), width=4, **fields)
    kinds = [type(m) for net in (g, d) for m in net.modules()]
    assert not any("Pool" in kind.__name__ for kind in kinds)
    assert kinds.count(nn.Linear) == 2
    g_layers, d_layers = list(g), list(d.trunk)
    assert isinstance(g_layers[0], nn.Linear)
    assert [type(m) for m in g_layers[-2:]] == [nn.ConvTranspose2d, nn.Tanh]
    assert [type(m) for m in d_layers[:2]] == [nn.Conv2d, nn.LeakyReLU]
    convs = [m for m in d_layers if isinstance(m, nn.Conv2d)]
    norms = [m for m in d_layers if isinstance(m, nn.BatchNorm2d)]
    assert [n.num_features for n in norms] == [c.out_channels for c in convs[1:]]
    ups = [m for m in g_layers if isinstance(m, nn.ConvTranspose2d)]
    assert sum(isinstance(m, nn.BatchNorm2d) for m in g_layers) == len(ups)
    assert {m.negative_slope for m in d_layers if isinstance(m, nn.LeakyReLU)} == {0.2}
    assert not any(isinstance(m, nn.LeakyReLU) for m in g_layers)
    assert all(m.stride == (2, 2) for m in convs + ups)
    assert not any(isinstance(m, nn.Sigmoid) for m in d.modules())


def test_a_hidden_layer_stands_at_gs_start_and_ds_end():
    g, d = built((1, 28, 28), width=4, stages=2, hidden=16)
    of_g = [m for m in g if isinstance(m, (nn.Linear, nn.BatchNorm1d, nn.ReLU))][:3]
    assert [type(m) for m in of_g] == [nn.Linear, nn.BatchNorm1d, nn.ReLU]
    assert of_g[0].out_features == 16
    assert [m.in_features for m in g if isinstance(m, nn.Linear)] == [100, 16]
    of_d = list(d.trunk)[-3:]
    assert [type(m) for m in of_d] == [nn.Linear, nn.BatchNorm1d, nn.LeakyReLU]
    assert (of_d[0].in_features, of_d[0].out_features) == (8 * 7 * 7, 16)
    assert d.head.in_features == 16
    assert d(g(torch.randn(2, 100))).shape == (2, 1)
    bare = built((1, 28, 28), width=4, hidden=16, g_norm="none", d_norm="none")
    assert not any("Norm" in type(m).__name__ for net in bare for m in net.modules())


def test_channels_double_away_from_the_image():
    g, d = built((3, 64, 64))
    assert [m.out_channels for m in d.trunk if isinstance(m, nn.Conv2d)] == [64, 128, 256, 512]
    ups = [m for m in g if isinstance(m, nn.ConvTranspose2d)]
    assert [m.in_channels for m in ups] == [512, 256, 128, 64]
    assert g[0].out_features == 512 * 4 * 4


def test_stages_none_are_wgan_gps_nets():
    """FC 4x4, three stages up to 32 px and four above; MNIST starts at 4 too."""
    for size, stages, first in ((28, 3, 4), (32, 3, 4), (64, 4, 4)):
        g, d = built((3, size, size), width=8, stages=None, d_norm="none")
        assert g[1].unflattened_size == (8 * 2 ** (stages - 1), first, first)
        assert sum(isinstance(m, nn.Conv2d) for m in d.modules()) == stages
        assert not any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in d.modules())


def test_norms_and_biases_can_be_left_out():
    g, d = built((1, 28, 28), width=2, bias=False, g_norm="none", d_norm="none")
    names = [n for net in (g, d) for n, _ in net.named_parameters()]
    assert not any(n.endswith("bias") for n in names)
    assert not any(isinstance(m, nn.BatchNorm2d) for net in (g, d) for m in net.modules())


def test_features_and_head_are_the_discriminator():
    _, d = built((1, 28, 28), width=2)
    d.eval()
    x = torch.randn(3, 1, 28, 28)
    assert d.features(x).shape == (3, 16 * 2 * 2)
    assert torch.equal(d.head(d.features(x)), d(x))


def test_batch_norm_gains_start_at_1_or_around_it():
    for std in (0.0, 0.02):
        gains = [
            m.weight for net in built((3, 64, 64), gain_std=std) for m in net.modules()
            if isinstance(m, nn.BatchNorm2d)
        ]  # fmt: skip
        spread = torch.cat(gains)
        assert spread.mean().item() == pytest.approx(1.0, abs=0.002)
        assert spread.std().item() == pytest.approx(std, rel=0.1)
