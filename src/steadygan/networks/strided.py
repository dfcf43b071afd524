"""Convolutions of stride 2; between small maps of many channels partly as products of matrices.

In bf16 on a CPU, oneDNN takes longer than a product for the gradient of such a layer's weights,
most where the maps are smallest, and for a forward to 2x2 pixels (docs/speed.md).
The pixels under each place of the kernel become a row of a matrix for it (im2col). All else is by
torch's own kernels. Where products are used, torch.func cannot follow.
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d, pad

#: What networks compute in where products pay.
DTYPE = torch.bfloat16
#: Sides of the smaller map up to which products are the faster ones.
GRADIENT_SIDE, FORWARD_SIDE = 8, 2
#: Weights below which calling Python costs more than products save.
LEAST_WEIGHTS = 2**17


def products_pay(side: int, weights: int) -> bool:
    """Whether a layer with so many weights, whose smaller map has `side` pixels, is to be one of
    these: others are torch's own layers."""
    return side <= GRADIENT_SIDE and weights >= LEAST_WEIGHTS


class StridedConv(nn.Conv2d):
    """A convolution of stride 2 with a square kernel, padded alike on all sides."""

    def forward(self, input: Tensor) -> Tensor:
        if not _can_be_products(input):
            return super().forward(input)
        padding = cast(int, self.padding[0])
        side = (input.shape[-1] + 2 * padding - self.kernel_size[0]) // 2 + 1
        return _run(input, self, _Layer(False, side, padding))


class StridedConvTranspose(nn.ConvTranspose2d):
    """A transposed convolution of stride 2 with a square kernel, padded alike on all sides."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        if output_size is not None or not _can_be_products(input):
            return super().forward(input, output_size)
        padding, beyond = cast(int, self.padding[0]), self.output_padding[0]
        return _run(input, self, _Layer(True, input.shape[-1], padding, beyond))

    def plain(self) -> nn.ConvTranspose2d:
        """The same as a layer of `torch.nn`."""
        made = nn.ConvTranspose2d(
            self.in_channels, self.out_channels, cast(Any, self.kernel_size), stride=2,
            padding=cast(Any, self.padding), output_padding=cast(Any, self.output_padding),
            bias=False,
        )  # fmt: skip
        made.weight, made.bias = self.weight, self.bias
        return made


class _Layer(NamedTuple):
    """`side`: pixels of the smaller map."""

    transposed: bool
    side: int
    padding: int
    output_padding: int = 0

    def forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if self.transposed:
            return conv_transpose2d(x, weight, bias, 2, self.padding, self.output_padding)
        if self.side > FORWARD_SIDE:
            return conv2d(x, weight, bias, 2, self.padding)
        out, *_, kernel = weight.shape
        shape = len(x), out, self.side, self.side
        made = torch.empty(shape, dtype=x.dtype, memory_format=torch.channels_last)
        pixels = made.permute(0, 2, 3, 1).view(-1, out)  # `made`, no view, may be changed in place
        rows, by_place = self.rows_under_kernel(x, kernel), weight.permute(0, 2, 3, 1).flatten(1)
        if bias is None:
            torch.mm(rows, by_place.mT, out=pixels)
        else:
            torch.addmm(bias, rows, by_place.mT, out=pixels)
        return made

    def gradients(
        self, g: Tensor, x: Tensor, weight: Tensor, into: list[bool]
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """Into x, the weights and the bias, by torch's kernels, which can be differentiated."""
        padding, beyond = [self.padding] * 2, [self.output_padding] * 2
        return torch.ops.aten.convolution_backward(
            g, x, weight, [weight.shape[1 if self.transposed else 0]],
            [2, 2], padding, [1, 1], self.transposed, beyond, 1, into,
        )  # fmt: skip

    def into_weight(self, g: Tensor, x: Tensor, kernel: int) -> Tensor:
        """The gradient of the weights, in the shape of the layer's: one product."""
        small, large = (x, g) if self.transposed else (g, x)
        pixels = small.permute(0, 2, 3, 1).flatten(0, 2)  # (B s s, channels of the smaller map)
        product = pixels.mT @ self.rows_under_kernel(large, kernel)
        return product.unflatten(1, (kernel, kernel, -1)).permute(0, 3, 1, 2)

    def rows_under_kernel(self, large: Tensor, kernel: int) -> Tensor:
        """(B, C, h, h) -> (B s s, k k C): for each pixel of the smaller map what the kernel sees of
        the larger one, row by row, channels last."""
        count, channels, height, _ = large.shape
        side = 2 * self.side + kernel - 2
        behind = side - height - self.padding  # less than 0 where the last pixels are not seen
        ends = (0, 0, self.padding, behind, self.padding, behind)
        padded = pad(large.permute(0, 2, 3, 1), ends).contiguous()
        row, image = side * channels, side * side * channels
        seen = padded.as_strided(  # of a row of pixels, those under a row of the kernel are one run
            (count, self.side, self.side, kernel, kernel * channels),
            (image, 2 * row, 2 * channels, row, 1),
        )
        return seen.reshape(count * self.side**2, kernel * kernel * channels)


def _can_be_products(x: Tensor) -> bool:
    """Whether this input is computed in `DTYPE` on a CPU, and is of square maps."""
    if x.device.type != "cpu" or x.dim() != 4 or x.shape[-1] != x.shape[-2]:
        return False
    cast_to = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
    return cast_to == DTYPE


def _run(x: Tensor, layer: nn.Conv2d | nn.ConvTranspose2d, how: _Layer) -> Tensor:
    """What the layer gives for x. Two nodes of the graph, since one that gave gradients to x and to
    the weights would compute both where one is asked for. `_Weights` leads to the weights alone, so
    that the engine leaves it out where their player stands still; `_Maps` gives them none."""
    x, weight = x.to(DTYPE), layer.weight.to(DTYPE)
    bias = None if layer.bias is None else layer.bias.to(DTYPE)
    if not how.transposed:
        shape = len(x), len(weight), how.side, how.side
    else:
        side = 2 * how.side - 2 - 2 * how.padding + weight.shape[-1] + how.output_padding
        shape = len(x), weight.shape[1], side, side
    zero = _Weights.apply(weight, bias, [x], how, shape)  # in a list: no edge of the graph to x
    return _Maps.apply(x, zero, weight, bias, how)


class _Weights(torch.autograd.Function):
    """A zero in the shape of the layer's output, added to it in thought: its gradient is the
    output's, and gives those of the weights and the bias."""

    @staticmethod
    def forward(
        context: Any, weight: Tensor, bias: Tensor | None, boxed: list[Tensor], how: _Layer,
        shape: tuple[int, ...],
    ) -> Tensor:  # fmt: skip
        context.how, context.biased = how, bias is not None
        context.save_for_backward(weight, *boxed)  # as an attribute x would outlive the backward
        return weight.new_zeros(()).expand(shape)

    @staticmethod
    def backward(context: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        (weight, x), how = context.saved_tensors, context.how
        if torch.is_grad_enabled():  # to be differentiated again
            _, *found = how.gradients(g, x, weight, [False, True, context.biased])
        else:
            into_bias = g.sum((0, 2, 3)) if context.biased else None
            found = [how.into_weight(g, x, weight.shape[-1]), into_bias]
        return *found, None, None, None


class _Maps(torch.autograd.Function):
    """The layer's output, with gradients into x and into the zero of `_Weights`."""

    @staticmethod
    def forward(
        context: Any, x: Tensor, zero: Tensor, weight: Tensor, bias: Tensor | None, how: _Layer
    ) -> Tensor:
        context.how = how
        context.save_for_backward(x, weight)
        return how.forward(x, weight, bias)

    @staticmethod
    def backward(context: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = context.saved_tensors
        into_x = None
        if context.needs_input_grad[0]:
            into_x, *_ = context.how.gradients(g, x, weight, [True, False, False])
        return into_x, g, None, None, None
