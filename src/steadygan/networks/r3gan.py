"""R3GAN's networks: residual blocks of grouped convolutions, and no normalisation anywhere.

Huang et al. 2024, arXiv:2501.05441, section 3 (configuration E) and the authors' code. A block is
1x1, grouped 3x3, 1x1 with twice the channels inside, leaky ReLU with a bias before the second and
the third; the last starts at zero, so that a block starts as the identity.
"""

from __future__ import annotations

import math

import torch
from pydantic import Field
from torch import Tensor, nn

from steadygan.networks.base import (
    NO_CODES,
    Built,
    Codes,
    Discriminator,
    Networks,
    Shape,
    Weighted,
    feature_sizes,
)

SLOPE = 0.2
#: The gain of a leaky ReLU: keeps the variance of its input.
GAIN = math.sqrt(2 / (1 + SLOPE**2))
#: Resampling taps: the authors' [1, 2, 1], convolved with the [1, 1] of a factor of two.
TAPS = (1.0, 3.0, 3.0, 1.0)


class R3GANNetworks(Networks):
    """G: a learned basis of 4x4 pixels scaled by z, then `blocks` residual blocks a stage, doubling
    the size between stages; D mirrors it.

    `width` is the channels of every stage up to 32 px; above, each doubling halves them. `group` is
    the channels of a group of the 3x3 convolutions. The authors' nets for 32 and 64 px have width
    768 and 2 blocks. Sizes follow ceil(size / 2^k) down to 4 or less: 28, 14, 7, 4.
    """

    name = "r3gan"
    width: int = Field(64, ge=1, le=4096)
    blocks: int = Field(2, ge=1, le=16)
    group: int = Field(16, ge=1, le=1024)

    def build(self, shape: Shape, latent_dim: int, codes: Codes = NO_CODES) -> Built:
        return {
            "generator": self.generator(shape, latent_dim),
            "discriminator": self.discriminator(shape),
        }

    def stages(self, size: int) -> list[tuple[int, int]]:
        """(pixels, channels) of each stage, from the image down."""
        sizes = feature_sizes(size, max(math.ceil(math.log2(size / 4)), 0))
        widths = [self.width >> max(math.ceil(math.log2(s / 32)), 0) for s in sizes]
        return [(s, max(w, 1)) for s, w in zip(sizes, widths, strict=True)]

    def generator(self, shape: Shape, latent_dim: int) -> nn.Sequential:
        stages = self.stages(shape[1])[::-1]
        size, width = stages[0]
        layers: list[nn.Module] = [GenerativeBasis(latent_dim, width, size)]
        for i, (size, width) in enumerate(stages):
            if i > 0:
                layers += _to_width(stages[i - 1][1], width)
                layers.append(Resample(stages[i - 1][0], size))
            layers += self._blocks(width, len(stages))
        return nn.Sequential(*layers, _conv1(width, shape[0]), nn.Tanh())

    def discriminator(self, shape: Shape) -> Discriminator:
        stages = self.stages(shape[1])
        layers: list[nn.Module] = [_conv1(shape[0], stages[0][1])]
        for i, (size, width) in enumerate(stages):
            if i > 0:
                layers.append(Resample(stages[i - 1][0], size))
                layers += _to_width(stages[i - 1][1], width)
            layers += self._blocks(width, len(stages))
        basis = nn.Conv2d(width, width, size, groups=width, bias=False)
        return Discriminator(
            nn.Sequential(*layers, _scaled(basis), nn.Flatten()),
            _scaled(nn.Linear(width, 1, bias=False)),
        )

    def _blocks(self, width: int, stages: int) -> list[nn.Module]:
        depth = self.blocks * stages
        return [ResidualBlock(width, self.group, depth) for _ in range(self.blocks)]


class ResidualBlock(nn.Module):
    """x + conv1(f(conv3(f(conv1(x))))), f a biased leaky ReLU; 1x1 wide to twice the channels.

    `depth` is how many blocks the network has, L: its first weights have the gain L^(-1/4) of
    Fixup (Zhang et al. 2019, arXiv:1901.09321) for branches of three layers; the last are 0.
    """

    def __init__(self, width: int, group: int, depth: int) -> None:
        super().__init__()
        inner = 2 * width
        groups = math.gcd(inner, max(inner // group, 1))
        gain = GAIN * depth**-0.25
        last = nn.Conv2d(inner, width, 1, bias=False)
        self.layers = nn.Sequential(
            _scaled(nn.Conv2d(width, inner, 1), gain),
            nn.LeakyReLU(SLOPE, inplace=True),
            _scaled(nn.Conv2d(inner, inner, 3, padding=1, groups=groups), gain),
            nn.LeakyReLU(SLOPE, inplace=True),
            _scaled(last, 0.0),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class GenerativeBasis(nn.Module):
    """One learned map of `size`^2 pixels a channel, scaled by a linear function of z (B, n)."""

    def __init__(self, latent_dim: int, width: int, size: int) -> None:
        super().__init__()
        self.basis = nn.Parameter(torch.randn(width, size, size))
        self.linear = _scaled(nn.Linear(latent_dim, width, bias=False))

    def forward(self, z: Tensor) -> Tensor:
        return self.linear(z)[:, :, None, None] * self.basis


class Resample(nn.Module):
    """Square maps from `size` to `target` pixels, about half or double, through [1, 3, 3, 1].

    As two matrix products, rows then columns. Each pixel is a weighted mean of its neighbours, at
    the borders too, so that a constant map stays constant.
    """

    matrix: Tensor

    def __init__(self, size: int, target: int) -> None:
        super().__init__()
        matrix = _halving(size, target) if size > target else _halving(target, size).T
        self.register_buffer("matrix", matrix / matrix.sum(1, keepdim=True), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.matrix @ x @ self.matrix.T


def _halving(size: int, target: int) -> Tensor:
    """(target, size): row i has the taps at columns 2i - 1 to 2i + 2, cut at the borders."""
    matrix = torch.zeros(target, size + 3)
    for i in range(target):
        matrix[i, 2 * i : 2 * i + 4] = torch.tensor(TAPS)
    return matrix[:, 1 : size + 1].contiguous()


def _to_width(width: int, target: int) -> list[nn.Module]:
    """A 1x1 convolution to `target` channels, unless `width` is the same."""
    return [] if width == target else [_conv1(width, target)]


def _conv1(width: int, target: int) -> nn.Conv2d:
    return _scaled(nn.Conv2d(width, target, 1, bias=False))


def _scaled(layer: Weighted, gain: float = 1.0) -> Weighted:
    """`layer` with weights N(0, gain^2 / fan_in) and biases 0. He et al. 2015, arXiv:1502.01852."""
    nn.init.normal_(layer.weight, 0.0, gain / math.sqrt(layer.weight[0].numel()))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
