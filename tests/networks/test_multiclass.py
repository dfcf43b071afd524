"""The conditional networks for thousands of classes, to the number."""

import pytest
import torch
from tiny import Shapes
from torch import nn

from steadygan.networks import MulticlassNetworks
from steadygan.networks.base import Codes
from steadygan.networks.labels import with_class

GREY = (1, 28, 28)


def built(shape=GREY, latent=8, classes=10, **fields):
    torch.manual_seed(0)
    small = {"width": 4, "hidden": 16, "label_dim": 8} | fields
    return MulticlassNetworks(**small).build(shape, latent, Codes(classes=classes))


def size(module):
    return sum(p.numel() for p in module.parameters())


def test_the_numbers_of_parameters_are_those_of_the_authors_code():
    made = MulticlassNetworks().build(GREY, 1024, Codes(classes=3740))
    assert size(made["generator"]) == 9_417_857
    assert size(made["discriminator"]) == 21_392_155
    for network in made.values():
        assert network.labels.rows.weight.shape == (3740, 256)


def test_every_weight_starts_as_the_authors():
    for network in built(classes=200, width=16, hidden=64, label_dim=32).values():
        for name, weight in network.named_parameters():
            if weight.dim() > 1 and weight.numel() > 1000:
                assert 0.018 <= weight.std().item() <= 0.022, name
            elif name.endswith("bias"):
                assert (weight == 0).all(), name


def test_the_players_have_maps_of_their_own():
    made = built()
    assert made["generator"].labels is not made["discriminator"].labels
    one, other = (made[side].labels.rows.weight for side in ("generator", "discriminator"))
    assert one.shape == other.shape
    assert not torch.equal(one, other)


@pytest.mark.parametrize(("side", "key"), [("generator", "g_norm"), ("discriminator", "d_norm")])
def test_each_side_can_leave_batch_normalisation_out(side, key):
    def norms(networks):
        kinds = nn.BatchNorm1d, nn.BatchNorm2d
        return {
            name: sum(isinstance(layer, kinds) for layer in network.modules())
            for name, network in networks.items()
        }

    shape = (1, 64, 64)  # one halving more than 28 px has
    assert norms(built(shape)) == {"generator": 3, "discriminator": 3}
    bare = built(shape, **{key: "none"})
    assert norms(bare) == norms(built(shape)) | {side: 0}
    labels = torch.arange(4)
    images = bare["generator"](with_class(torch.randn(4, 8), labels))
    bare["discriminator"](images, labels).sum().backward()
    assert all(weight.grad is not None for weight in bare[side].parameters())


@pytest.mark.parametrize("classes", [10, 3740])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("pixels", [16, 20, 28, 32, 36, 48, 64, 100])
def test_any_size_builds_in_range_and_d_scores_each_pair_once(pixels, channels, classes):
    shape = (channels, pixels, pixels)
    made = built(shape, classes=classes)
    labels = torch.arange(5) * classes // 5
    images = made["generator"](with_class(100 * torch.randn(5, 8), labels))
    assert images.shape == (5, *shape)
    assert images.abs().max() <= 1
    assert made["discriminator"](images, labels).shape == (5, 1)
    judge = made["discriminator"].eval()
    features = judge.features(images, labels)
    assert torch.equal(judge.head(features), judge(images, labels))
    assert not any("Pool" in type(m).__name__ for n in made.values() for m in n.modules())


def test_small_images_are_halved_twice_and_large_ones_to_8():
    networks = MulticlassNetworks()
    sizes = {pixels: networks.sizes_for(pixels) for pixels in (16, 28, 32, 64, 112)}
    assert sizes[16] == [16, 8, 4]
    assert sizes[28] == [28, 14, 7]
    assert sizes[32] == [32, 16, 8]
    assert sizes[64] == [64, 32, 16, 8]
    assert sizes[112] == [112, 56, 28, 14, 7]


def test_batch_norm_is_where_the_authors_have_it():
    made = built()
    kinds = [type(m).__name__ for m in made["generator"].layers]
    assert kinds[:4] == ["Linear", "BatchNorm1d", "ReLU", "Unflatten"]
    assert kinds[-2:] == ["ConvTranspose2d", "Tanh"]
    d = made["discriminator"]
    assert isinstance(d.first, nn.Conv2d)
    assert d.first.out_channels == 1 + 8  # channels of the image and the label's dimension
    assert d.second.out_channels == 4 + 8
    assert d.second.in_channels == 9 + 8
    assert [type(m).__name__ for m in d.later] == ["BatchNorm2d", "LeakyReLU", "Flatten"]
    assert [type(m).__name__ for m in d.joint] == ["Linear", "BatchNorm1d", "LeakyReLU"]
    assert d.head.in_features == 16 + 8


def test_another_label_changes_what_g_makes_and_what_d_says():
    made = built()
    g, d = made["generator"], made["discriminator"]
    noise, x = torch.randn(6, 8), torch.rand(6, *GREY) * 2 - 1
    labels = torch.arange(6)
    swapped = labels.roll(1)
    images = g(with_class(noise, labels))
    assert (images - g(with_class(noise, swapped))).abs().max() > 0.05 * images.std()
    assert (d(x, labels) - d(x, swapped)).abs().max() > 0.05 * d(x, labels).std()
    assert torch.equal(d(x, labels), d(x, labels))


def test_a_label_reaches_d_in_three_places():
    """Cut in any one of them alone, the score changes."""
    d = built()["discriminator"].eval()
    x, labels = torch.rand(6, *GREY) * 2 - 1, torch.arange(6)
    whole = d(x, labels)
    extra = 8
    for weight, cut in (
        (d.second.weight, slice(-extra, None)),
        (d.joint[0].weight, slice(-extra, None)),
        (d.head.weight, slice(-extra, None)),
    ):
        kept = weight.detach().clone()
        with torch.no_grad():
            weight[:, cut] = 0
            assert (d(x, labels) - whole).abs().max() > 0
            weight.copy_(kept)
    assert torch.equal(d(x, labels), whole)


def test_no_batch_of_one_hot_labels_is_ever_built():
    made = built(classes=3740)
    labels = torch.randint(3740, (6,))
    with Shapes() as shapes:
        images = made["generator"](with_class(torch.randn(6, 8), labels))
        made["discriminator"](images, labels).sum().backward()
    assert (3740, 8) in shapes.seen  # the gradient of a table: the watch works
    assert not [shape for shape in shapes.seen if 6 in shape and 3740 in shape]
    seen = made["generator"].labels.rows.weight.grad.abs().sum(1).nonzero().flatten()
    assert seen.tolist() == labels.unique().tolist()


def test_without_labels_there_is_nothing_to_condition_on():
    assert MulticlassNetworks().g_takes_classes
    assert MulticlassNetworks().d_takes_classes
