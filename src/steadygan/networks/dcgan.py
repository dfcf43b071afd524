"""Strided convolutional networks: DCGAN's, and by their settings WGAN's and WGAN-GP's.

Radford et al. 2016, arXiv:1511.06434, in the sizes of DCGAN-TF: with the defaults, G and D
together have 8,825,220 parameters at 32x32x3 and 9,451,908 at 64x64x3.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field
from torch import nn

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


class DCGANNetworks(Networks):
    """G: FC, then `stages` transposed convolutions; D: `stages` strided convolutions, then FC.

    `width` is the channels of the stage next to the image; each stage away doubles them. A size
    that is no multiple of 2^stages follows ceil(size / 2^k): 28 px is 2, 4, 7, 14, 28.
    """

    name = "dcgan"
    width: int = Field(64, ge=1, le=1024)
    stages: int | None = Field(4, ge=1, le=7)
    kernel: int = Field(5, ge=3, le=7)
    #: Units of one more fully connected layer at G's start and D's end, as in InfoGAN's; 0: none.
    hidden: int = Field(0, ge=0, le=65536)
    bias: bool = True
    g_norm: Literal["batch", "none"] = "batch"
    d_norm: Literal["batch", "none"] = "batch"
    #: Batch-norm gains start as N(1, this): .02 in the authors' code, 0 in DCGAN-TF.
    gain_std: float = Field(0.0, ge=0, le=1)

    def stages_for(self, size: int) -> int:
        """`stages`, or (None) 3 up to 32 px and 4 above, as WGAN-GP's nets."""
        return self.stages or (3 if size <= 32 else 4)

    def build(self, shape: Shape, latent_dim: int, codes: Codes = NO_CODES) -> Built:
        networks = {
            "generator": self.generator(shape, latent_dim),
            "discriminator": self.discriminator(shape),
        }
        for network in networks.values():
            init_normal(network)
            for layer in network.modules():
                if self.gain_std and isinstance(layer, nn.BatchNorm2d):
                    nn.init.normal_(layer.weight, 1.0, self.gain_std)
        return networks

    def generator(self, shape: Shape, latent_dim: int) -> nn.Sequential:
        stages = self.stages_for(shape[1])
        sizes = feature_sizes(shape[1], stages)[::-1]
        channels = [self.width * 2**i for i in reversed(range(stages))]
        first = (channels[0], sizes[0], sizes[0])
        layers: list[nn.Module] = []
        if self.hidden:
            layers += [nn.Linear(latent_dim, self.hidden, bias=self.bias)]
            layers += self._norm_relu(self.hidden, nn.BatchNorm1d)
        layers += [
            nn.Linear(self.hidden or latent_dim, channels[0] * sizes[0] ** 2, bias=self.bias),
            nn.Unflatten(1, first),
            *self._norm_relu(channels[0]),
        ]
        for i in range(stages - 1):
            layers.append(
                double_conv(
                    channels[i], channels[i + 1], self.kernel, sizes[i], sizes[i + 1], self.bias
                )
            )
            layers += self._norm_relu(channels[i + 1])
        layers.append(
            double_conv(channels[-1], shape[0], self.kernel, sizes[-2], sizes[-1], self.bias)
        )
        return nn.Sequential(*layers, nn.Tanh())

    def discriminator(self, shape: Shape) -> Discriminator:
        stages = self.stages_for(shape[1])
        sizes = feature_sizes(shape[1], stages)
        channels = [shape[0], *(self.width * 2**i for i in range(stages))]
        layers: list[nn.Module] = []
        for i in range(stages):
            layers.append(down_conv(channels[i], channels[i + 1], self.kernel, sizes[i], self.bias))
            if i > 0 and self.d_norm == "batch":
                layers.append(nn.BatchNorm2d(channels[i + 1]))
            layers.append(nn.LeakyReLU(0.2, inplace=True))
        layers.append(nn.Flatten())
        features = channels[-1] * sizes[-1] ** 2
        if self.hidden:
            layers.append(nn.Linear(features, self.hidden, bias=self.bias))
            layers += [nn.BatchNorm1d(self.hidden)] if self.d_norm == "batch" else []
            layers.append(nn.LeakyReLU(0.2, inplace=True))
        head = nn.Linear(self.hidden or features, 1, bias=self.bias)
        return Discriminator(nn.Sequential(*layers), head)

    def _norm_relu(
        self, channels: int, norm_layer: type[nn.Module] = nn.BatchNorm2d
    ) -> list[nn.Module]:
        norm = [norm_layer(channels)] if self.g_norm == "batch" else []
        return [*norm, nn.ReLU(inplace=True)]


#: Overrides that make DCGAN's networks small enough for visible results in a minute on two cores.
LIGHT: dict[str, Any] = {"width": 16, "stages": 3, "kernel": 4}
