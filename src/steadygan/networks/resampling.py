"""Maps of half and of twice the side: by nearest neighbours and means of 2x2 pixels, alone and in
one operation with a 3x3 convolution.

A 3x3 convolution before the mean of 2x2 pixels is a 4x4 convolution with stride 2, and one after
each pixel is repeated 2x2 is the transpose of such: what a weight meets at four neighbouring pixels
falls on four places of the larger kernel. That takes 4/9 of the multiplications, and no second map
of the larger side is made; the weights stay those of the 3x3 convolution. Where it does not hold (a
side may be odd: 4 <-> 7 <-> 14 <-> 28) or does not pay, the two operations follow each other.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, conv2d, conv_transpose2d, interpolate

#: Sides of the larger map below which one operation is no faster than two: docs/speed.md.
LEAST_SIDE = 16


def enlarged(x: Tensor, side: int) -> Tensor:
    """(B, C, h, h) by nearest neighbours to `side` <= 2 h pixels: doubled, then cut."""
    return interpolate(x, scale_factor=2.0, mode="nearest")[..., :side, :side]


def halved(x: Tensor) -> Tensor:
    """(B, C, h, h) averaged 2x2 to ceil(h / 2) pixels; windows at an odd edge average what is
    there."""
    return avg_pool2d(x, 2, ceil_mode=True)


def _places() -> Tensor:
    """(9, 16): a 3x3 kernel times this is the sum of the 4x4 kernels with it in one corner each."""
    places = torch.zeros(3, 3, 4, 4)
    for row in range(3):
        for column in range(3):
            places[row, column, row : row + 2, column : column + 2] = 1
    return places.flatten(2).flatten(0, 1)


class ResamplingConv(nn.Conv2d):
    """A 3x3 convolution with padding 1, between maps of `side` pixels and of half that."""

    places: Tensor

    def __init__(self, channels: int, out: int, side: int, bias: bool = True) -> None:
        super().__init__(channels, out, 3, padding=1, bias=bias)
        self.side = side
        self.at_once = side % 2 == 0 and side >= LEAST_SIDE
        self.register_buffer("places", _places(), persistent=False)

    def spread(self, weight: Tensor) -> Tensor:
        """(a, b, 3, 3) -> (a, b, 4, 4)."""
        return (weight.flatten(2) @ self.places).unflatten(2, (4, 4))


class HalvingConv(ResamplingConv):
    """The convolution of maps of `side` pixels, then `halved`."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.at_once:
            return halved(super().forward(x))
        return conv2d(x, self.spread(self.weight) / 4, self.bias, stride=2, padding=1)


class DoublingConv(ResamplingConv):
    """`enlarged` to `side` pixels, then the convolution."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.at_once:
            return super().forward(enlarged(x, self.side))
        return conv_transpose2d(x, self.turned(), self.bias, stride=2, padding=1)

    def turned(self) -> Tensor:
        """(in, out, 4, 4): a transposed convolution has its input's channels first, and its kernel
        the other way round."""
        return self.spread(self.weight.transpose(0, 1).flip(2, 3))

    def plain(self) -> nn.Module:
        """The same in layers of `torch.nn`."""
        ends = self.in_channels, self.out_channels
        conv: nn.Conv2d | nn.ConvTranspose2d
        made: nn.Module
        if self.at_once:
            weight = self.turned()
            made = conv = nn.ConvTranspose2d(*ends, 4, stride=2, padding=1, bias=False)
        else:
            weight, conv = self.weight, nn.Conv2d(*ends, 3, padding=1, bias=False)
            made = nn.Sequential(nn.Upsample(size=(self.side, self.side)), conv)
        conv.weight, conv.bias = nn.Parameter(weight.detach()), self.bias
        return made
