"""Labels as tables: the same map as a matrix on one-hot vectors, without the one-hot vectors."""

import pytest
import torch
from tiny import Shapes
from torch import nn
from torch.nn.functional import conv2d, one_hot

from steadygan.networks.labels import LabelledConv, LabelMap, split_class, with_class

CLASSES, DIM = 12, 5


def label_map(seed=0):
    torch.manual_seed(seed)
    made = LabelMap(CLASSES, DIM)
    with torch.no_grad():
        made.bias.normal_()
    return made


def test_a_class_can_be_read_from_the_latent_it_rides_in():
    noise = torch.randn(6, 4)
    classes = torch.tensor([0, 3739, 7, 1, 999_999, 2])
    z, y = split_class(with_class(noise, classes))
    assert torch.equal(z, noise)
    assert torch.equal(y, classes)
    assert y.dtype == torch.int64


def test_the_table_is_the_matrix_on_one_hot_labels():
    made = label_map()
    labels = torch.randint(CLASSES, (20,))
    wanted = one_hot(labels, CLASSES).float() @ made.rows.weight + made.bias
    assert torch.allclose(made(labels), wanted, atol=1e-6)
    assert made(labels).shape == (20, DIM)


def test_the_map_is_linear_in_the_one_hot_label():
    """f(y1) + f(y2) - f(0) is the map of the sum of both vectors; f(0) is the bias."""
    made = label_map()
    both = one_hot(torch.tensor(3), CLASSES) + one_hot(torch.tensor(8), CLASSES)
    wanted = both.float() @ made.rows.weight + made.bias
    one, other = made(torch.tensor([3, 8]))
    assert torch.allclose(one + other - made.bias, wanted, atol=1e-6)


def test_only_the_rows_of_classes_that_are_seen_get_a_gradient():
    made = label_map()
    seen = torch.tensor([1, 4, 4, 9])
    made(seen).square().sum().backward()
    moved = made.rows.weight.grad.abs().sum(1).nonzero().flatten().tolist()
    assert moved == [1, 4, 9]
    assert made.bias.grad.abs().min() > 0


def test_the_start_of_a_map():
    torch.manual_seed(0)
    for std in (0.02, 0.3):
        made = LabelMap(500, 100, std)
        assert made.rows.weight.std().item() == pytest.approx(std, rel=0.02)
        assert (made.bias == 0).all()


@pytest.mark.parametrize("kernel", [5, 4, 3])
@pytest.mark.parametrize("size", [28, 14, 7, 5, 2])
def test_a_labelled_convolution_is_the_one_over_constant_maps(size, kernel):
    torch.manual_seed(0)
    layer = LabelledConv(3, 4, 6, kernel, size).double()
    maps = torch.randn(5, 3, size, size, dtype=torch.float64, requires_grad=True)
    values = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)
    whole = torch.cat([maps, values[:, :, None, None].expand(-1, -1, size, size)], 1)
    wanted = conv2d(whole, layer.weight, layer.bias, stride=2, padding=layer.padding)
    made = layer(maps, values)
    assert made.shape == (5, 6, -(-size // 2), -(-size // 2))
    assert torch.allclose(made, wanted, atol=1e-12)
    by = torch.randn_like(made)
    inputs = [maps, values, layer.weight, layer.bias]
    for one, other in zip(
        torch.autograd.grad(made, inputs, by), torch.autograd.grad(wanted, inputs, by), strict=True
    ):
        assert torch.allclose(one, other, atol=1e-11)


def test_a_labelled_convolution_builds_no_constant_maps():
    layer = LabelledConv(3, 4, 6, 5, 9)
    with Shapes() as shapes:
        layer(torch.randn(5, 3, 14, 14), torch.randn(5, 4))
    whole = {shape[1] for shape in shapes.seen if len(shape) == 4 and shape[2:] == (14, 14)}
    assert whole <= {3, 1}  # those of the input, and one that is the image's extent
    assert isinstance(layer, nn.Conv2d)  # as other convolutions: spectral norm and the start
