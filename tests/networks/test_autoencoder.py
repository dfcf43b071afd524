"""Auto-encoder discriminators and the decoding constraint's U-Net: sizes, errors, precision."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from steadygan.networks.autoencoder import (
    AutoEncoder,
    BEGANNetworks,
    EBGANNetworks,
    reconstruction_error,
)
from steadygan.networks.resampling import DoublingConv
from steadygan.networks.unet import UNet


def count(*modules):
    return sum(p.numel() for module in modules for p in module.parameters())


def batch(shape, size=3, seed=0):
    return torch.rand(size, *shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def pair(seed=0):
    random = np.random.RandomState(seed)
    return (random.uniform(-1, 1, (4, 3, 5, 5)) for _ in range(2))


@pytest.mark.parametrize(
    ("error", "formula"),
    [
        ("l1", lambda off: np.abs(off).mean(1)),
        ("l2", lambda off: (off**2).mean(1)),
        ("norm", lambda off: np.sqrt((off**2).sum(1))),
    ],
)
def test_the_error_of_each_image_is_that_of_its_own_pixels(error, formula):
    images, rebuilt = pair()
    found = reconstruction_error(torch.from_numpy(images), torch.from_numpy(rebuilt), error)
    assert found.dtype == torch.float32
    expected = formula((images - rebuilt).reshape(4, -1))
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6)


def test_a_perfect_reconstruction_has_a_finite_slope():
    image = batch((1, 4, 4)).requires_grad_(True)
    error = reconstruction_error(image, image.detach(), "norm")
    (slope,) = torch.autograd.grad(error.sum(), image)
    assert error.max() <= 1e-6
    assert slope.abs().max() == 0


class Plain(nn.Module):
    def forward(self, x):
        return 0.37 * x


def test_a_judgement_is_the_encoders_output_and_the_error_of_what_is_decoded_from_it():
    network = AutoEncoder(Plain(), Plain(), "l1")
    images = batch((1, 4, 4))
    code, errors = network.judge(images)
    assert torch.equal(code, (0.37 * images).flatten(1))
    expected = (images * (1 - 0.37**2)).abs().flatten(1).mean(1)
    torch.testing.assert_close(errors, expected)
    assert torch.equal(network(images), errors)


@pytest.mark.parametrize("family", [BEGANNetworks(width=4), EBGANNetworks(width=4)])
def test_errors_are_float32_of_the_images_as_they_are_under_autocast(family):
    """bf16 holds three digits: an image rounded to it would be off by more than a good D is."""
    network = family.build((1, 28, 28), 8)["discriminator"].eval()
    images = batch((1, 28, 28))
    rebuilt = []
    handle = network.decoder.register_forward_hook(lambda m, i, out: rebuilt.append(out))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        _, errors = network.judge(images)
    handle.remove()
    assert rebuilt[0].dtype == torch.bfloat16
    assert errors.dtype == torch.float32
    off = (images.double() - rebuilt[0].double()).flatten(1)
    exact = off.abs().mean(1) if network.error == "l1" else off.square().sum(1).sqrt()
    torch.testing.assert_close(errors.double(), exact, rtol=1e-6, atol=0)


# ---- BEGAN ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "total"), [(32, 2_800_518), (64, 4_575_046)])
def test_began_has_the_parameters_of_its_layers(size, total):
    """n = h = 64: FC to 8 x 8 n, two convolutions a block; the encoder's i-th has n i channels."""
    n = h = 64
    blocks = int(math.log2(size)) - 2

    def conv(into, out):
        return 9 * into * out + out

    def fc(into, out):
        return into * out + out

    decoder = fc(h, 64 * n) + 2 * blocks * conv(n, n) + conv(n, 3)
    encoder, before = conv(3, n), n
    for i in range(1, blocks + 1):
        encoder += conv(before, i * n) + conv(i * n, i * n)
        encoder += conv(i * n, i * n) if i < blocks else 0
        before = i * n
    encoder += fc(64 * before, h)
    built = BEGANNetworks(width=n).build((3, size, size), h)
    assert count(built["generator"]) == decoder
    assert count(built["discriminator"].encoder) == encoder
    assert count(built["discriminator"].decoder) == decoder
    assert count(*built.values()) == total


@pytest.mark.parametrize("size", [16, 20, 28, 32, 48, 64])
def test_began_halves_down_to_at_most_eight_pixels_and_back(size):
    network = BEGANNetworks(width=4).build((1, size, size), 8)
    sides = BEGANNetworks().sides(size)
    assert sides[0] == size
    assert 4 <= sides[-1] <= 8
    assert network["generator"](torch.randn(2, 8)).shape == (2, 1, size, size)
    assert network["discriminator"].judge(batch((1, size, size), 2))[0].shape == (2, 8)


def test_began_has_no_norm_and_no_transposed_convolution_and_only_g_ends_in_tanh():
    built = BEGANNetworks(width=4).build((3, 32, 32), 8)
    kinds = {type(m) for module in built.values() for m in module.modules()}
    assert not kinds & {nn.BatchNorm2d, nn.ConvTranspose2d, nn.Dropout, nn.MaxPool2d}
    assert nn.ELU in kinds
    assert DoublingConv in kinds  # nearest neighbours, then a convolution
    assert isinstance(built["generator"][-1], nn.Tanh)
    assert isinstance(built["discriminator"].decoder[-1], nn.Conv2d)


@torch.no_grad()
def test_the_signal_lives_through_all_of_began():
    """Glorot weights: without norm, torch's own default loses most of it on the way."""
    torch.manual_seed(0)
    network = BEGANNetworks(width=16).build((1, 32, 32), 64)["discriminator"]
    code = network.encoder(batch((1, 32, 32), 32))
    assert code.std() > 0.02
    assert network.decoder(torch.randn(32, 64)).std() > 0.1


# ---- EBGAN ---------------------------------------------------------------------------------


def test_ebgan_is_a_mirror_with_batch_norm_inside_alone():
    network = EBGANNetworks(width=4).build((3, 64, 64), 8)["discriminator"]
    convs = [m for m in network.encoder.modules() if isinstance(m, nn.Conv2d)]
    backs = [m for m in network.decoder.modules() if isinstance(m, nn.ConvTranspose2d)]
    assert [(c.in_channels, c.out_channels) for c in convs] == [(3, 4), (4, 8), (8, 16)]
    assert [(c.out_channels, c.in_channels) for c in backs[::-1]] == [(3, 4), (4, 8), (8, 16)]
    assert {c.kernel_size for c in convs + backs} == {(4, 4)}
    assert [type(m) for m in network.encoder] == [
        nn.Conv2d, nn.LeakyReLU, nn.Conv2d, nn.BatchNorm2d, nn.LeakyReLU, nn.Conv2d
    ]  # fmt: skip
    assert type(network.decoder[-1]) is nn.ConvTranspose2d
    bare = EBGANNetworks(width=4, d_norm="none").build((3, 64, 64), 8)["discriminator"]
    assert nn.BatchNorm2d not in {type(m) for m in bare.modules()}


def test_ebgans_generator_at_64_pixels_is_512_256_128_64_3():
    generator = EBGANNetworks().build((3, 64, 64), 100)["generator"]
    convs = [m for m in generator.modules() if isinstance(m, nn.ConvTranspose2d)]
    assert [(c.in_channels, c.out_channels) for c in convs] == [
        (512, 256), (256, 128), (128, 64), (64, 3)
    ]  # fmt: skip


# ---- the U-Net -----------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "total"), [(64, 843_511), (32, 226_039)])
def test_the_u_net_has_the_size_that_the_paper_reports(size, total):
    assert count(UNet((3, size, size), 100)) == total


@pytest.mark.parametrize("skips", [True, False])
@pytest.mark.parametrize("shape", [(1, 16, 16), (1, 28, 28), (3, 32, 32), (3, 50, 50)])
def test_the_u_net_gives_a_feature_of_the_latents_size_and_an_image(shape, skips):
    network = UNet(shape, 7, skips)
    feature, carried = network.encode(batch(shape))
    rebuilt = network.decode(feature, carried)
    assert feature.shape == (3, 7)
    assert len(carried) == (2 if skips else 0)
    assert rebuilt.shape == (3, *shape)
    assert rebuilt.abs().max() < 1
    assert torch.equal(rebuilt, network(batch(shape)))


def test_without_skips_the_image_passes_through_the_feature_alone():
    plain, unet = (UNet((1, 16, 16), 7, skips) for skips in (False, True))
    for network, passes in ((plain, False), (unet, True)):
        with torch.no_grad():
            network.from_feature.weight.zero_()  # nothing of the feature is read
        out = network(batch((1, 16, 16)))
        assert torch.equal(out[0], out[1]) == (not passes)


@pytest.mark.parametrize("skips", [True, False])
def test_every_weight_of_the_u_net_learns(skips):
    network = UNet((1, 16, 16), 7, skips)
    images = batch((1, 16, 16))
    (network(images) - images).square().mean().backward()
    assert all(p.grad.abs().max() > 0 for p in network.parameters())
