"""LSGAN's networks for scenes of 112 pixels: a generator of 3x3 kernels after VGG, DCGAN's D.

Mao et al. 2017, arXiv:1611.04076, section 3.3 and figure 2, in the sizes of the authors' code.
"""

from __future__ import annotations

from pydantic import Field
from torch import nn

from steadygan.networks.base import (
    NO_CODES,
    Built,
    Codes,
    Networks,
    Shape,
    double_conv,
    feature_sizes,
    init_normal,
)  # fmt: skip
from steadygan.networks.dcgan import DCGANNetworks


class LSGANNetworks(Networks):
    """G: FC, then 3x3 transposed convolutions of stride 2, 1, 2, 1, 2, 2, 1; D: 5x5 of stride 2.

    `width` is the channels of G next to the image, `d_width` those of D; they grow fourfold and
    eightfold away from the image. The image is halved four times, rounding up: 112 px start at 7.
    """

    name = "lsgan"
    width: int = Field(64, ge=1, le=1024)
    d_width: int = Field(64, ge=1, le=1024)

    def build(self, shape: Shape, latent_dim: int, codes: Codes = NO_CODES) -> Built:
        networks = {
            "generator": self.generator(shape, latent_dim),
            "discriminator": DCGANNetworks(width=self.d_width).discriminator(shape),
        }
        for network in networks.values():
            init_normal(network)
        return networks

    def generator(self, shape: Shape, latent_dim: int) -> nn.Sequential:
        sizes = feature_sizes(shape[1], 4)[::-1]
        channels = [4 * self.width] * 3 + [2 * self.width, self.width]
        layers: list[nn.Module] = [
            nn.Linear(latent_dim, channels[0] * sizes[0] ** 2),
            nn.Unflatten(1, (channels[0], sizes[0], sizes[0])),
            *_norm_relu(channels[0]),
        ]
        for i in range(4):
            layers.append(double_conv(channels[i], channels[i + 1], 3, sizes[i], sizes[i + 1]))
            layers += _norm_relu(channels[i + 1])
            if i < 2:
                layers.append(nn.ConvTranspose2d(channels[i + 1], channels[i + 1], 3, padding=1))
                layers += _norm_relu(channels[i + 1])
        return nn.Sequential(
            *layers, nn.ConvTranspose2d(self.width, shape[0], 3, padding=1), nn.Tanh()
        )


def _norm_relu(channels: int) -> list[nn.Module]:
    return [nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]
