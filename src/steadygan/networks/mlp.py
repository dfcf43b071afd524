"""Fully connected networks: the first GAN's, and those of the two-dimensional toy data."""

from __future__ import annotations

import math

import torch
from pydantic import Field
from torch import Tensor, nn

from steadygan.networks.base import NO_CODES, Built, Codes, Discriminator, Networks, Shape


class Maxout(nn.Module):
    """max over `pieces` of linear maps: (B, n) -> (B, out). Goodfellow et al. 2013, eq. 1."""

    def __init__(self, features: int, out: int, pieces: int) -> None:
        super().__init__()
        self.linear = nn.Linear(features, out * pieces)
        self.pieces = pieces

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x).unflatten(1, (-1, self.pieces)).amax(2)


@torch.no_grad()
def init_uniform(module: nn.Module, reach: float) -> None:
    """Weights U(-reach, reach), biases 0."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            layer.weight.uniform_(-reach, reach)
            layer.bias.zero_()


class MLPNetworks(Networks):
    """G: `depth` ReLU layers of `width`; D: as many of `d_width`, maxout where `d_pieces` > 1.

    Goodfellow et al. 2014 on MNIST: G 1200, 1200; D maxout 240 of 5 pieces, dropout .2 on the input
    and .5 on hidden layers. The output is tanh for images, linear for vectors.
    """

    name = "mlp"
    width: int = Field(1200, ge=1, le=65536)
    depth: int = Field(2, ge=1, le=16)
    d_width: int = Field(240, ge=1, le=65536)
    d_pieces: int = Field(5, ge=1, le=64)
    d_dropout: bool = True
    #: Weights start uniform in +-range and biases at 0, as in the authors' code; None: torch's own.
    g_range: float | None = Field(None, gt=0)
    d_range: float | None = Field(None, gt=0)

    def incompatibility(self, shape: Shape) -> str | None:
        return None

    def build(self, shape: Shape, latent_dim: int, codes: Codes = NO_CODES) -> Built:
        generator, discriminator = self.generator(shape, latent_dim), self.discriminator(shape)
        for network, reach in ((generator, self.g_range), (discriminator, self.d_range)):
            if reach is not None:
                init_uniform(network, reach)
        return {"generator": generator, "discriminator": discriminator}

    def generator(self, shape: Shape, latent_dim: int) -> nn.Sequential:
        widths = [latent_dim] + [self.width] * self.depth
        layers: list[nn.Module] = []
        for i in range(self.depth):
            layers += [nn.Linear(widths[i], widths[i + 1]), nn.ReLU(inplace=True)]
        layers.append(nn.Linear(self.width, math.prod(shape)))
        if len(shape) == 3:
            layers += [nn.Tanh(), nn.Unflatten(1, shape)]
        return nn.Sequential(*layers)

    def discriminator(self, shape: Shape) -> Discriminator:
        widths = [math.prod(shape)] + [self.d_width] * self.depth
        layers: list[nn.Module] = [nn.Flatten()]
        for i in range(self.depth):
            if self.d_dropout:
                layers.append(nn.Dropout(0.2 if i == 0 else 0.5))
            if self.d_pieces > 1:
                layers.append(Maxout(widths[i], widths[i + 1], self.d_pieces))
            else:
                layers += [nn.Linear(widths[i], widths[i + 1]), nn.ReLU(inplace=True)]
        if self.d_dropout:
            layers.append(nn.Dropout(0.5))
        return Discriminator(nn.Sequential(*layers), nn.Linear(self.d_width, 1))


#: Networks for two-dimensional points: a small plain D, and with one layer more where D's gradients
#: are constrained.
PLANE = MLPNetworks(width=128, d_width=128, d_pieces=1, d_dropout=False)
PLANE_DEEP = PLANE.model_copy(update={"depth": 3})
