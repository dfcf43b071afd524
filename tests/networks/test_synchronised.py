"""Batch norm over the shares of several processes, which are threads here or stood in for; that of
whole games is tested in tests/training/test_processes.py."""

import copy

import pytest
import torch
from ranks import each, memories
from torch import nn

from steadygan.game.player import frozen_buffers
from steadygan.game.processes import Processes
from steadygan.networks.synchronised import SynchronisedBatchNorm, synchronise


class Among:
    """Two processes, the other of which holds `other`: what it would send is computed here."""

    size = 2

    def __init__(self, other):
        self.other = other

    def gathered(self, own):
        axes = [0, *range(2, self.other.dim())]
        theirs = torch.stack([self.other.mean(axes), self.other.var(axes, correction=0)])
        return torch.stack([own, theirs])


def layers(kind, momentum=0.1):
    torch.manual_seed(0)
    plain = kind(3, momentum=momentum)
    nn.init.normal_(plain.weight)
    nn.init.normal_(plain.bias)
    ours = kind(3, momentum=momentum)
    ours.load_state_dict(plain.state_dict())
    return plain, ours


@pytest.mark.parametrize("momentum", [0.1, None])
@pytest.mark.parametrize(
    ("kind", "shape"), [(nn.BatchNorm1d, (8, 3)), (nn.BatchNorm2d, (8, 3, 4, 4))]
)
def test_a_share_is_normalised_by_the_whole_batch(kind, shape, momentum):
    plain, ours = layers(kind, momentum)
    batch = torch.randn(shape) * 3 + 5
    own, other = batch[:4], batch[4:]
    synchronise(ours, Among(other))
    for _ in range(2):
        assert torch.allclose(ours(own), plain(batch)[:4], atol=1e-5)
    for name, buffer in plain.named_buffers():
        assert torch.allclose(dict(ours.named_buffers())[name], buffer, atol=1e-5), name
    assert torch.allclose(ours.eval()(own), plain.eval()(own), atol=1e-5)


def derivatives(layer, x, twice):
    """Of a sum over samples, which is no mean, with regard to samples and parameters; where `twice`
    of the norm of its first derivative."""
    x = x.clone().requires_grad_()
    tangled = (layer(x).tanh() * torch.arange(x[0].numel(), dtype=x.dtype).view(x[0].shape)).sum()
    if twice:
        (slope,) = torch.autograd.grad(tangled, x, create_graph=True)
        tangled = slope.square().sum()
    wanted = [x, *layer.parameters()]
    return torch.autograd.grad(tangled, wanted)


@pytest.mark.parametrize("twice", [False, True])
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("laid_out", [torch.contiguous_format, torch.channels_last])
def test_derivatives_are_those_of_the_whole_batch(twice, affine, laid_out):
    torch.manual_seed(0)
    plain = nn.BatchNorm2d(3, affine=affine).double()
    for parameter in plain.parameters():
        nn.init.normal_(parameter)
    batch = (torch.randn(8, 3, 4, 5, dtype=torch.float64) * 3 + 5).to(memory_format=laid_out)
    of_x, *of_parameters = derivatives(plain, batch, twice)

    def of_share(rank, memory):
        processes = Processes(rank, 2)
        processes.memory = memory
        layer = copy.deepcopy(plain)
        synchronise(layer, processes)
        return derivatives(layer, processes.share_of(batch), twice)

    with memories(2) as there:
        first, second = each(there, of_share)
    assert torch.allclose(torch.cat([first[0], second[0]]), of_x, rtol=0, atol=1e-10)
    for one, other, whole in zip(first[1:], second[1:], of_parameters, strict=True):
        assert torch.allclose(one + other, whole, rtol=0, atol=1e-10)


def test_frozen_statistics_stay_and_parameters_keep_their_identity():
    _, ours = layers(nn.BatchNorm2d)
    parameters, before = list(ours.parameters()), ours.running_mean.clone()
    network = nn.Sequential(nn.Conv2d(3, 3, 1), ours)
    frozen = frozen_buffers(network)
    synchronise(network, Among(torch.randn(4, 3, 2, 2)))
    assert isinstance(network[1], SynchronisedBatchNorm)
    assert network[1] is ours
    assert list(ours.parameters()) == parameters
    with frozen:
        network(torch.randn(4, 3, 2, 2))
    assert torch.equal(ours.running_mean, before)
    network(torch.randn(4, 3, 2, 2))
    assert not torch.equal(ours.running_mean, before)


def test_batch_norm_is_left_alone_where_that_is_wanted():
    network = nn.Sequential(nn.BatchNorm2d(3))
    synchronise(network, Among(torch.zeros(1)), batch_norm=False)
    assert type(network[0]) is nn.BatchNorm2d
