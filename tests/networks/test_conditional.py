"""The first conditional networks: sizes of the paper, and labels that both players hear."""

import pytest
import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd

from steadygan.networks import ConditionalNetworks
from steadygan.networks.base import Codes
from steadygan.networks.conditional import ConditionalGenerator
from steadygan.networks.labels import with_class
from steadygan.networks.mlp import Maxout
from steadygan.networks.multiclass import LabelledGenerator

GREY = (1, 28, 28)
SMALL = {"z_width": 8, "y_width": 12, "g_width": 16, "d_width": 10, "d_y_width": 4, "width": 4,
         "hidden": 16, "label_dim": 8}  # fmt: skip


def built(shape=GREY, latent=8, classes=10, **fields):
    torch.manual_seed(0)
    return ConditionalNetworks(**fields).build(shape, latent, Codes(classes=classes))


def widths(module, kind):
    return [tuple(m.weight.shape) for m in module.modules() if isinstance(m, kind)]


def test_grey_images_have_the_networks_of_the_paper():
    made = built(latent=100)
    g, d = made["generator"], made["discriminator"]
    assert widths(g, nn.Linear) == [(200, 100), (1200, 1200), (784, 1200)]
    assert widths(g, nn.Embedding) == [(10, 1000)]
    assert widths(d, nn.Linear) == [(240 * 5, 784), (240 * 4, 290), (1, 240)]
    assert widths(d, nn.Embedding) == [(10, 50 * 5)]
    assert [m.pieces for m in d.modules() if isinstance(m, Maxout)] == [5, 4]
    for network in (g, d):
        assert {m.p for m in network.modules() if isinstance(m, nn.Dropout)} == {0.5}


def test_a_label_starts_somewhat_quieter_than_the_noise():
    made = built(latent=100, classes=50)
    noise, labels = torch.rand(2000, 100) * 2 - 1, torch.arange(2000) % 50
    of_noise = made["generator"].noise(noise).std(0).mean().item()
    of_label = made["generator"].label(labels).std(0).mean().item()
    assert of_noise == pytest.approx(1 / 3, rel=0.05)
    assert of_label == pytest.approx(0.2, rel=0.05)
    of_d = made["discriminator"].label[0](labels).std(0).mean().item()
    assert of_d == pytest.approx(0.2, rel=0.05)


def test_either_form_can_be_asked_for_at_any_size():
    assert isinstance(built((1, 28, 28), dense=False, **SMALL)["generator"], LabelledGenerator)
    assert isinstance(built((3, 64, 64), dense=True, **SMALL)["generator"], ConditionalGenerator)


@pytest.mark.parametrize("kernel", [3, 4, 5])
@pytest.mark.parametrize("pixels", [28, 36, 64])
def test_convolutional_ones_have_the_kernel_that_is_asked_for(kernel, pixels):
    shape = (1, pixels, pixels)
    made = built(shape, dense=False, kernel=kernel, **SMALL)
    for network in made.values():
        sides = {m.kernel_size for m in network.modules() if isinstance(m, _ConvNd)}
        assert sides == {(kernel, kernel)}
    labels = torch.arange(5)
    images = made["generator"](with_class(torch.randn(5, 8), labels))
    assert images.shape == (5, *shape)
    assert made["discriminator"](images, labels).shape == (5, 1)


@pytest.mark.parametrize(
    ("shape", "kind"),
    [((1, 16, 16), ConditionalGenerator), ((1, 32, 32), ConditionalGenerator),
     ((1, 36, 36), LabelledGenerator), ((3, 28, 28), LabelledGenerator),
     ((3, 64, 64), LabelledGenerator)],
)  # fmt: skip
def test_any_size_builds_in_range_and_d_scores_each_pair_once(shape, kind):
    made = built(shape, **SMALL)
    assert type(made["generator"]) is kind
    labels = torch.arange(5)
    images = made["generator"](with_class(100 * torch.randn(5, 8), labels))
    assert images.shape == (5, *shape)
    assert images.abs().max() <= 1
    judge = made["discriminator"].eval()
    assert judge(images, labels).shape == (5, 1)
    assert torch.equal(judge.head(judge.features(images, labels)), judge(images, labels))


@pytest.mark.parametrize("shape", [GREY, (3, 32, 32)])
def test_another_label_changes_what_g_makes_and_what_d_says(shape):
    made = built(shape, g_drop_rate=0.0, d_drop_rate=0.0, **SMALL)
    g, d = made["generator"], made["discriminator"]
    noise, x = torch.randn(6, 8), torch.rand(6, *shape) * 2 - 1
    labels, others = torch.arange(6), torch.arange(6).roll(1)
    images = g(with_class(noise, labels))
    assert (images - g(with_class(noise, others))).abs().max() > 0.05 * images.std()
    assert (d(x, labels) - d(x, others)).abs().max() > 0.05 * d(x, labels).std()


def test_the_score_is_no_sum_of_one_of_the_image_and_one_of_the_label():
    """A score that were would tell G nothing of how image and label go together."""
    for shape in (GREY, (3, 32, 32)):
        d = built(shape, g_drop_rate=0.0, d_drop_rate=0.0, **SMALL)["discriminator"].double().eval()
        x = torch.randn(2, *shape, dtype=torch.float64)
        x = x[[0, 1, 0, 1]]
        first, second, third, fourth = d(x, torch.tensor([3, 3, 7, 7])).flatten()
        assert abs((first - second) - (third - fourth)) > 1e-9
