"""BiGAN's networks: three of them, and a discriminator that compares image and latent."""

import pytest
import torch
from torch import nn

from steadygan.networks import BiGANNetworks

GREY = (1, 28, 28)


def built(shape=GREY, latent=6, **fields):
    torch.manual_seed(0)
    return BiGANNetworks(**({"width": 4, "hidden": 16} | fields)).build(shape, latent)


@pytest.mark.parametrize(
    ("shape", "fields"),
    [*(((c, s, s), {}) for c in (1, 3) for s in (16, 28, 32, 36, 64)),
     ((1, 28, 28), {"stages": 2, "kernel": 4}), ((3, 32, 32), {"stages": 0}),
     ((2,), {"stages": 0})],
)  # fmt: skip
def test_any_size_builds_and_g_and_e_lead_there_and_back(shape, fields):
    made = built(shape, **fields)
    assert list(made) == ["generator", "discriminator", "encoder"]
    z = 100 * torch.randn(5, 6)
    images = made["generator"](z)
    assert images.shape == (5, *shape)
    assert len(shape) == 1 or images.abs().max() <= 1
    codes = made["encoder"](images)
    assert codes.shape == z.shape
    judge = made["discriminator"].eval()
    assert judge(images, codes).shape == (5, 1)
    assert torch.equal(judge.head(judge.features(images, codes)), judge(images, codes))


def test_the_fully_connected_nets_are_those_of_the_authors():
    made = built((1, 28, 28), latent=50, stages=0, hidden=1024)
    wide = {
        name: [tuple(m.weight.shape) for m in network.modules() if isinstance(m, nn.Linear)]
        for name, network in made.items()
    }
    assert wide == {
        "generator": [(1024, 50), (1024, 1024), (784, 1024)],
        "encoder": [(1024, 784), (1024, 1024), (50, 1024)],
        "discriminator": [(1024, 784), (1024, 1024 + 50), (1, 1024)],
    }


def test_vectors_want_the_fully_connected_form():
    assert BiGANNetworks(stages=0).incompatibility((2,)) is None
    assert "not vectors" in BiGANNetworks().incompatibility((2,))
    assert isinstance(built((2,), stages=0)["generator"][-1], nn.Linear)


def test_d_judges_the_pair_and_not_its_halves():
    """f(x, z) is no sum of one of x and one of z: a latent of another image is another score."""
    for fields in ({}, {"stages": 0}):
        judge = built(**fields)["discriminator"].double().eval()
        x = torch.randn(2, *GREY, dtype=torch.float64)[[0, 1, 0, 1]]
        z = torch.randn(2, 6, dtype=torch.float64)[[0, 0, 1, 1]]
        first, second, third, fourth = judge(x, z).flatten()
        assert abs((first - second) - (third - fourth)) > 1e-9
        assert first != third


def test_encoder_and_discriminator_share_no_weight():
    made = built()
    ids = [{id(p) for p in network.parameters()} for network in made.values()]
    assert not ids[0] & ids[1]
    assert not ids[1] & ids[2]
