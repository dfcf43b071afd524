"""The networks of "Improved Techniques for Training GANs" for CIFAR-10.

Salimans et al. 2016, arXiv:1606.03498, in the shape of the authors' feature-matching code. Weight
normalisation is that of Salimans & Kingma 2016, arXiv:1602.07868, eq. 2. Their code sets the
lengths from a first batch of data, so that every layer starts with outputs of standard deviation 1,
and .1 at the end of D and of G; here they are set to the values that give this for normal inputs.
"""

from __future__ import annotations

import math

import torch
from pydantic import Field
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from steadygan.networks.base import (
    NO_CODES,
    Built,
    Codes,
    Discriminator,
    Networks,
    Shape,
    double_conv,
    down_conv,
    feature_sizes,
    init_normal,
)  # fmt: skip

#: The root mean square of LeakyReLU(.2) of a standard normal number.
AFTER_LEAKY = math.sqrt((1 + 0.2**2) / 2)


class ImprovedNetworks(Networks):
    """G: FC, three transposed convolutions. D: nine convolutions, average pooling, FC.

    `width` is the channels next to G's image, `d_width` those of D's first three convolutions (the
    others have twice as many). Features are the 2 `d_width` averages over D's last maps. All of D
    is weight-normalised and has no batch norm; D's dropout is .2 on the input, .5 inside.
    """

    name = "improved"
    width: int = Field(128, ge=1, le=1024)
    d_width: int = Field(96, ge=1, le=1024)
    d_dropout: bool = True

    def build(self, shape: Shape, latent_dim: int, codes: Codes = NO_CODES) -> Built:
        generator, discriminator = self.generator(shape, latent_dim), self.discriminator(shape)
        for network in (generator, discriminator):
            init_normal(network, std=0.05)
        # A ReLU halves the mean square, and at stride 2 a pixel is covered by a quarter of the
        # kernel.
        normalise(generator[-2], 0.1 * math.sqrt(2 * 4), dim=1)
        convolutions = [m for m in discriminator.trunk.children() if isinstance(m, nn.Conv2d)]
        for i, layer in enumerate(convolutions):
            normalise(layer, 1.0 if i == 0 else 1.0 / AFTER_LEAKY)
        normalise(discriminator.head, 0.1 / AFTER_LEAKY)
        return {"generator": generator, "discriminator": discriminator}

    def generator(self, shape: Shape, latent_dim: int) -> nn.Sequential:
        sizes = feature_sizes(shape[1], 3)[::-1]
        channels = [4 * self.width, 2 * self.width, self.width]
        flat = channels[0] * sizes[0] ** 2
        layers: list[nn.Module] = [
            nn.Linear(latent_dim, flat, bias=False),
            nn.BatchNorm1d(flat),
            nn.ReLU(inplace=True),
            nn.Unflatten(1, (channels[0], sizes[0], sizes[0])),
        ]
        for i in range(2):
            layers += [
                double_conv(channels[i], channels[i + 1], 5, sizes[i], sizes[i + 1], bias=False),
                nn.BatchNorm2d(channels[i + 1]),
                nn.ReLU(inplace=True),
            ]
        last = double_conv(channels[2], shape[0], 5, sizes[2], sizes[3])
        return nn.Sequential(*layers, last, nn.Tanh())

    def discriminator(self, shape: Shape) -> Discriminator:
        sizes, wide = feature_sizes(shape[1], 2), 2 * self.d_width
        layers: list[nn.Module] = [*self._dropout(0.2)]
        channels = shape[0]
        for size, out in zip(sizes, (self.d_width, wide), strict=False):
            layers += [
                *_leaky(nn.Conv2d(channels, out, 3, padding=1)),
                *_leaky(nn.Conv2d(out, out, 3, padding=1)),
                *_leaky(down_conv(out, out, 3, size)),
                *self._dropout(0.5),
            ]
            channels = out
        for kernel in (3, 1, 1):
            layers += _leaky(nn.Conv2d(wide, wide, kernel))
        return Discriminator(nn.Sequential(*layers, GlobalMean()), nn.Linear(wide, 1))

    def _dropout(self, rate: float) -> list[nn.Module]:
        return [nn.Dropout(rate)] if self.d_dropout else []


def normalise(layer: nn.Module, length: float, dim: int = 0) -> None:
    """Weight normalisation in place: each output's weights (along `dim`) start with norm
    `length`."""
    weight_norm(layer, dim=dim)
    nn.init.constant_(layer.get_parameter("parametrizations.weight.original0"), length)


class GlobalMean(nn.Module):
    """The mean of each map: (B, C, H, W) -> (B, C)."""

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return maps.mean((2, 3))


def _leaky(layer: nn.Module) -> list[nn.Module]:
    return [layer, nn.LeakyReLU(0.2, inplace=True)]
