"""Fully connected networks: maxout by its formula, dropout, images and vectors."""

import numpy as np
import pytest
import torch
from torch import nn

from steadygan.networks import MLPNetworks
from steadygan.networks.mlp import Maxout


def built(shape, latent=100, **fields):
    torch.manual_seed(0)
    made = MLPNetworks(**fields).build(shape, latent)
    return made["generator"], made["discriminator"]


def count(module):
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize("pieces", [1, 2, 5])
def test_maxout_is_the_largest_of_its_linear_maps(pieces):
    torch.manual_seed(0)
    layer = Maxout(7, 3, pieces).double()
    x = torch.randn(11, 7, dtype=torch.float64)
    weight, bias = (p.detach().numpy() for p in (layer.linear.weight, layer.linear.bias))
    wanted = np.empty((11, 3))
    for unit in range(3):
        rows = slice(unit * pieces, (unit + 1) * pieces)
        wanted[:, unit] = (x.numpy() @ weight[rows].T + bias[rows]).max(axis=1)
    np.testing.assert_allclose(layer(x).detach().numpy(), wanted, rtol=1e-12)


def test_the_default_is_the_first_papers_size():
    g, d = built((1, 28, 28))
    assert count(g) == 101 * 1200 + 1201 * 1200 + 1201 * 784
    assert count(d) == 785 * 240 * 5 + 241 * 240 * 5 + 241
    keeps = [1 - m.p for m in d.modules() if isinstance(m, nn.Dropout)]
    assert keeps == pytest.approx([0.8, 0.5, 0.5])


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (3, 64, 64), (2,), (5,), (3, 9, 20)])
def test_every_shape_is_made_images_in_range_and_vectors_free(shape):
    g, d = built(shape, latent=4, width=8, d_width=6, d_pieces=2)
    with torch.no_grad():
        for p in g.parameters():
            p.mul_(20)
    made = g(torch.randn(5, 4))
    assert made.shape == (5, *shape)
    assert (made.abs().max() <= 1) == (len(shape) == 3)
    assert d(made).shape == (5, 1)


def test_depth_counts_hidden_layers_and_one_piece_is_relu():
    g, d = built((2,), width=8, d_width=6, depth=3, d_pieces=1, d_dropout=False)
    assert [m.out_features for m in g if isinstance(m, nn.Linear)] == [8, 8, 8, 2]
    assert [m.out_features for m in d.trunk if isinstance(m, nn.Linear)] == [6, 6, 6]
    assert sum(isinstance(m, nn.ReLU) for m in d.trunk) == 3
    assert not any(isinstance(m, (nn.Dropout, Maxout)) for m in d.modules())
    assert d.head.out_features == 1


def test_there_is_no_batch_norm_anywhere():
    for net in built((1, 28, 28), width=8, d_width=8):
        assert not list(net.buffers())


def test_weights_start_in_the_range_given_and_biases_at_0():
    g, d = built((1, 28, 28), g_range=0.05, d_range=0.005)
    for net, reach in ((g, 0.05), (d, 0.005)):
        for layer in (m for m in net.modules() if isinstance(m, nn.Linear)):
            assert 0.99 * reach < layer.weight.abs().max() <= reach
            assert layer.weight.std().item() == pytest.approx(reach / 3**0.5, rel=0.1)
            assert not layer.bias.any()
