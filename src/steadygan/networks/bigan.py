"""BiGAN's networks: a generator, an encoder from x to z, and a discriminator of pairs (x, z).

Donahue et al. 2017, arXiv:1605.09782, section 4 and the authors' code (mnist_mlp and convnet_28).
"""

from __future__ import annotations

import math
from typing import cast

import torch
from pydantic import Field
from torch import Tensor, nn

from steadygan.networks.base import (
    NO_CODES,
    Built,
    Codes,
    Networks,
    Shape,
    init_normal,
)  # fmt: skip
from steadygan.networks.dcgan import DCGANNetworks


class PairDiscriminator(nn.Module):
    """C(x, z): images and latents (B, n) -> scores. z joins x's features before the last hidden
    layer, where the two can be compared."""

    def __init__(self, trunk: nn.Module, flat: int, latent_dim: int, hidden: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.joint = _hidden(flat + latent_dim, hidden)
        self.head = nn.Linear(hidden, 1)

    def features(self, x: Tensor, z: Tensor) -> Tensor:
        return self.joint(torch.cat([self.trunk(x), z], 1))

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        return self.head(self.features(x, z))


class BiGANNetworks(Networks):
    """G as DCGAN's; E and D: `stages` convolutions of their own, then `hidden` units.

    `stages` none: 3 up to 32 px, 4 above. `stages=0`: fully connected nets of two layers of
    `hidden` units, which ignore the order of pixels and also take vectors (the paper's for MNIST).
    """

    name = "bigan"
    d_takes_latents = True
    width: int = Field(64, ge=1, le=1024)
    stages: int | None = Field(None, ge=0, le=7)
    kernel: int = Field(5, ge=3, le=7)
    hidden: int = Field(1024, ge=1, le=65536)

    def incompatibility(self, shape: Shape) -> str | None:
        return None if self.stages == 0 else super().incompatibility(shape)

    def build(self, shape: Shape, latent_dim: int, codes: Codes = NO_CODES) -> Built:
        trunk, flat = self.trunk(shape)
        of_pairs = PairDiscriminator(trunk, flat, latent_dim, self.hidden)
        trunk, flat = self.trunk(shape)
        networks = {
            "generator": self.generator(shape, latent_dim),
            "discriminator": of_pairs,
            "encoder": nn.Sequential(
                trunk, _hidden(flat, self.hidden), nn.Linear(self.hidden, latent_dim)
            ),
        }
        for network in networks.values():
            init_normal(network)
        return networks

    def trunk(self, shape: Shape) -> tuple[nn.Module, int]:
        """The layers that read x, and how many features they give."""
        if self.stages == 0:
            first = nn.Linear(math.prod(shape), self.hidden)
            return nn.Sequential(nn.Flatten(), first, nn.LeakyReLU(0.2, inplace=True)), self.hidden
        found = self._convolutional().discriminator(shape)
        return found.trunk, cast(int, found.head.in_features)

    def generator(self, shape: Shape, latent_dim: int) -> nn.Sequential:
        if self.stages != 0:
            return self._convolutional().generator(shape, latent_dim)
        layers = [*_dense(latent_dim, self.hidden), *_dense(self.hidden, self.hidden)]
        layers.append(nn.Linear(self.hidden, math.prod(shape)))
        if len(shape) == 3:
            layers += [nn.Tanh(), nn.Unflatten(1, shape)]
        return nn.Sequential(*layers)

    def _convolutional(self) -> DCGANNetworks:
        return DCGANNetworks(width=self.width, stages=self.stages, kernel=self.kernel)


def _hidden(features: int, hidden: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(features, hidden), nn.BatchNorm1d(hidden), nn.LeakyReLU(0.2, inplace=True)
    )


def _dense(features: int, hidden: int) -> list[nn.Module]:
    return [nn.Linear(features, hidden), nn.BatchNorm1d(hidden), nn.ReLU(inplace=True)]
