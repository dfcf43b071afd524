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


def test_a_share_in_bf16_has_statistics_in_float32():
    """As torch's own layer has. Rounded to bf16, a mean of 5 is off by up to .016 sigma here."""
    torch.manual_seed(0)
    plain = nn.BatchNorm2d(3)
    for parameter in plain.parameters():
        nn.init.normal_(parameter)
    batch = (torch.randn(8, 3, 16, 16) + 5).to(torch.bfloat16)
    weights = torch.randn_like(batch)

    def derived(layer, x, weights):
        y = layer(x.requires_grad_())
        return [y.detach(), *torch.autograd.grad((y * weights).sum(), [x, *layer.parameters()])]

    def of_share(rank, memory):
        processes = Processes(rank, 2)
        processes.memory = memory
        layer = copy.deepcopy(plain)
        synchronise(layer, processes)
        found = derived(layer, *(processes.share_of(each).clone() for each in (batch, weights)))
        return [*found, layer.running_mean, layer.running_var]

    with memories(2) as there:
        first, second = each(there, of_share)
    whole = derived(plain, batch.clone(), weights)
    for number in (0, 1):  # y and dL/dx
        ours = torch.cat([first[number], second[number]])
        assert ours.dtype == torch.bfloat16
        # Two roundings apart at most: 2^-7 of the largest number.
        gap = (ours.float() - whole[number].float()).abs().max()
        assert gap <= whole[number].float().abs().max() / 128
    for number in (2, 3):
        together = first[number] + second[number]
        assert torch.allclose(together, whole[number], rtol=1e-2, atol=1e-2)
    for number, buffer in ((4, plain.running_mean), (5, plain.running_var)):
        assert first[number].dtype == torch.float32
        assert torch.allclose(first[number], buffer, rtol=1e-5)


def test_two_derivatives_of_a_share_in_bf16():
    """Rounded to bf16, a mean of 50 would be off by up to .12 sigma."""
    torch.manual_seed(0)
    plain = nn.BatchNorm2d(3)
    batch = (torch.randn(8, 3, 16, 16) + 50.12).to(torch.bfloat16)

    def of_share(rank, memory):
        processes = Processes(rank, 2)
        processes.memory = memory
        layer = copy.deepcopy(plain)
        synchronise(layer, processes)
        return derivatives(layer, processes.share_of(batch), twice=True)

    with memories(2) as there:
        first, second = each(there, of_share)
    of_x, *_ = derivatives(copy.deepcopy(plain), batch.float(), twice=True)
    ours = torch.cat([first[0], second[0]])
    assert ours.dtype == torch.bfloat16
    assert (ours.float() - of_x).norm() < 0.03 * of_x.norm()


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
