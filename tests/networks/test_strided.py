"""Convolutions of stride 2 by products of matrices: the numbers of torch's own kernels, where they
are asked for."""

import pytest
import torch
from torch import nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils.checkpoint import checkpoint

from steadygan.networks import strided
from steadygan.networks.base import double_conv, down_conv

# Odd sides, kernels of both parities, and a last row that no place of the kernel sees.
LAYERS = [
    pytest.param(make, kernel, size, id=f"{make.__name__}-{kernel}-{size}")
    for make in (down_conv, double_conv)
    for kernel in (3, 4, 5, 6)
    for size in (3, 4, 7, 8, 13)
]


@pytest.fixture
def everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Products for every layer, in float64."""
    monkeypatch.setattr(strided, "DTYPE", torch.float64)
    monkeypatch.setattr(strided, "LEAST_WEIGHTS", 0)


def layer_and_input(make, kernel: int, size: int) -> tuple[nn.Module, torch.Tensor]:
    generator = torch.Generator().manual_seed(kernel)
    half = -(-size // 2)
    if make is down_conv:
        layer, shape = down_conv(6, 5, kernel, size), (3, 6, size, size)
    else:
        layer, shape = double_conv(5, 6, kernel, half, size), (3, 5, half, half)
    x = torch.randn(shape, dtype=torch.float64, generator=generator)
    return layer.double(), x.requires_grad_()


def torchs_own(layer: nn.Module, x: torch.Tensor) -> torch.Tensor:
    kind = nn.Conv2d if isinstance(layer, nn.Conv2d) else nn.ConvTranspose2d
    return kind.forward(layer, x)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(("make", "kernel", "size"), LAYERS)
def test_products_give_what_torchs_kernels_give(everywhere, make, kernel, size, memory_format):
    layer, x = layer_and_input(make, kernel, size)
    layer.to(memory_format=memory_format)
    x = x.detach().to(memory_format=memory_format).requires_grad_()
    wanted = torchs_own(layer, x)
    g = torch.randn_like(wanted).requires_grad_()
    parameters = [x, *layer.parameters()]

    def derivatives(y: torch.Tensor) -> tuple[torch.Tensor, ...]:
        first = torch.autograd.grad(y, parameters, g, create_graph=True)
        total = sum(each.square().sum() for each in first)
        return *first, *torch.autograd.grad(total, [*parameters[:2], g])

    made = layer(x)
    torch.testing.assert_close(made, wanted, rtol=0, atol=1e-11)
    once = torch.autograd.grad(layer(x), parameters, g)  # not to be differentiated again: products
    for got, by_torch in zip(
        (*once, *derivatives(made)),
        (*torch.autograd.grad(wanted, parameters, g, retain_graph=True), *derivatives(wanted)),
        strict=True,
    ):
        torch.testing.assert_close(got, by_torch, rtol=0, atol=1e-9)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("size", [4, 8])
def test_what_follows_may_change_the_maps_in_place(everywhere, size, bias):
    """As the leaky ReLU of every D does."""
    layer = down_conv(6, 5, 4, size, bias=bias).double()
    x = torch.randn(3, 6, size, size, dtype=torch.float64)
    y = nn.functional.leaky_relu(layer(x), 0.2, inplace=True)
    wanted = nn.functional.leaky_relu(torchs_own(layer, x), 0.2)
    torch.testing.assert_close(y, wanted, rtol=0, atol=1e-11)
    torch.testing.assert_close(
        torch.autograd.grad(y.square().sum(), layer.weight),
        torch.autograd.grad(wanted.square().sum(), layer.weight),
        rtol=0, atol=1e-9,
    )  # fmt: skip


@pytest.mark.parametrize("make", [down_conv, double_conv])
def test_products_are_made_where_they_are_promised_and_nowhere_else(
    everywhere, monkeypatch: pytest.MonkeyPatch, make
):
    layer, x = layer_and_input(make, 4, 8)
    asked = []
    product = strided._Layer.into_weight
    monkeypatch.setattr(
        strided._Layer, "into_weight", lambda *args: asked.append(args) or product(*args)
    )
    y = layer(x).sum()
    # A player that stands still: the graph leads to its weights, which nobody asks for.
    torch.autograd.grad(y, x, retain_graph=True)
    assert not asked
    torch.autograd.grad(y, layer.weight)
    assert len(asked) == 1
    layer.float()(x.detach().float()).sum().backward()  # another precision
    assert len(asked) == 1
    monkeypatch.setattr(strided, "LEAST_WEIGHTS", layer.weight.numel() + 1)
    plain, _ = layer_and_input(make, 4, 8)
    assert type(plain) in (nn.Conv2d, nn.ConvTranspose2d)
    monkeypatch.setattr(strided, "LEAST_WEIGHTS", layer.weight.numel())
    assert type(layer_and_input(make, 4, 8)[0]) is type(layer)
    monkeypatch.setattr(strided, "GRADIENT_SIDE", 3)
    assert type(layer_and_input(make, 4, 8)[0]) is type(plain)


@pytest.mark.parametrize("shape", [(3, 6, 8, 6), (6, 8, 8), (0, 6, 8, 8), (0, 6, 4, 4)])
def test_other_shapes_are_left_to_torch_and_empty_batches_are_none(everywhere, shape):
    layer, x = down_conv(6, 5, 4, 8).double(), torch.randn(shape, dtype=torch.float64)
    y, wanted = layer(x), torchs_own(layer, x)
    torch.testing.assert_close(y, wanted, rtol=0, atol=1e-11)
    for got, by_torch in zip(
        torch.autograd.grad(y.square().sum(), list(layer.parameters())),
        torch.autograd.grad(wanted.square().sum(), list(layer.parameters())),
        strict=True,
    ):
        torch.testing.assert_close(got, by_torch, rtol=0, atol=1e-10)


@pytest.mark.parametrize("again", [False, True], ids=["kept", "checkpointed"])
def test_maps_are_held_no_longer_than_by_torchs_layer(everywhere, again):
    """Until the backward; and where activations are made again, not even after the forward."""
    first, second = down_conv(3, 6, 4, 16).double(), down_conv(6, 5, 4, 8).double()
    held = []
    second.register_forward_pre_hook(
        lambda layer, inputs: held.append(StorageWeakRef(inputs[0].untyped_storage()))
    )

    def both(x: torch.Tensor) -> torch.Tensor:
        return second(first(x).tanh())

    x = torch.randn(3, 3, 16, 16, dtype=torch.float64)
    y = checkpoint(both, x, use_reentrant=False) if again else both(x)
    assert held[0].expired() == again
    torch.autograd.grad(y.square().sum(), [*first.parameters(), *second.parameters()])
    assert all(each.expired() for each in held)
    assert y.grad_fn is not None  # the graph itself is still there


def test_a_weight_that_has_changed_before_the_backward_is_noticed(everywhere):
    layer, x = layer_and_input(down_conv, 4, 8)
    y = layer(x).sum()
    with torch.no_grad():
        layer.weight.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        torch.autograd.grad(y, x)


@pytest.mark.parametrize("make", [down_conv, double_conv])
def test_autocast_computes_in_bf16_and_gives_float32_gradients(
    monkeypatch: pytest.MonkeyPatch, make
):
    monkeypatch.setattr(strided, "LEAST_WEIGHTS", 0)
    layer, x = layer_and_input(make, 4, 4)
    layer, x = layer.float(), x.detach().float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y, wanted = layer(x), torchs_own(layer, x)
    assert y.dtype == wanted.dtype == torch.bfloat16
    g = torch.randn_like(y)
    for got, by_torch in zip(
        torch.autograd.grad(y, list(layer.parameters()), g),
        torch.autograd.grad(wanted, list(layer.parameters()), g),
        strict=True,
    ):
        assert got.dtype == torch.float32
        torch.testing.assert_close(got, by_torch, rtol=2**-6, atol=2**-6 * by_torch.abs().max())
    torch.testing.assert_close(y, wanted, rtol=2**-6, atol=2**-6)


def test_a_generator_is_exported_with_a_layer_of_torch(everywhere):
    layer = double_conv(5, 6, 4, 4, 7)
    x = torch.randn(2, 5, 4, 4)
    plain = layer.plain()
    assert type(plain) is nn.ConvTranspose2d
    assert torch.equal(plain(x), layer(x))
