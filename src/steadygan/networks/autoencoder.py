"""Discriminators that are auto-encoders: BEGAN's and EBGAN's networks.

Their score is an energy, the error with which D reconstructs an image: low for real images.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from steadygan.networks.base import (
    NO_CODES,
    Built,
    Codes,
    Networks,
    Shape,
    double_conv,
    down_conv,
    feature_sizes,
    init_normal,
)  # fmt: skip
from steadygan.networks.dcgan import DCGANNetworks
from steadygan.networks.resampling import DoublingConv

Error = Literal["l1", "l2", "norm"]

#: Added under the root of the "norm" error: its gradient is unbounded where the error is 0.
NORM_EPS = 1e-12


def reconstruction_error(images: Tensor, rebuilt: Tensor, error: Error = "l1") -> Tensor:
    """The reconstruction error of each image, (B,) float32; `images` and `rebuilt` are (B, C, H,
    W).

    `l1`, `l2`: the mean over pixels of |v - AE(v)| or its square; `norm`: the Euclidean norm of
    v - AE(v).
    """
    off = (images.float() - rebuilt.float()).flatten(1)
    if error == "norm":
        return (off.square().sum(1) + NORM_EPS).sqrt()
    return (off.abs() if error == "l1" else off.square()).mean(1)


class AutoEncoder(nn.Module):
    """A discriminator that returns the encoder's output and each sample's reconstruction error."""

    def __init__(self, encoder: nn.Module, decoder: nn.Module, error: Error) -> None:
        super().__init__()
        self.encoder, self.decoder, self.error = encoder, decoder, error

    def judge(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The encoder's output (B, n) and the errors (B,), float32 whatever the autocast."""
        code = self.encoder(x)
        rebuilt = self.decoder(code)
        with torch.autocast(x.device.type, enabled=False):
            return code.flatten(1), reconstruction_error(x, rebuilt, self.error)

    def forward(self, x: Tensor) -> Tensor:
        return self.judge(x)[1]


class BEGANNetworks(Networks):
    """D: encoder and decoder; G: a network like the decoder. 3x3 convolutions, ELU, no norm.

    Berthelot et al. 2017, arXiv:1703.10717, section 3.5, without the optional skips. `width` is the
    paper's n; the code of D has the dimension of z. The paper's G has no output activation; here it
    ends in tanh, as does every image generator of this library, and D's decoder does not. `error`
    is the norm of the loss: l1 for eta = 1, l2 for eta = 2. Weights are Glorot-uniform.
    """

    name = "began"
    d_gives_errors: ClassVar = True
    d_has_head: ClassVar = False
    width: int = Field(64, ge=1, le=1024)
    error: Literal["l1", "l2"] = "l1"

    def sides(self, size: int) -> list[int]:
        """From the image to the code: halved until 8 pixels or fewer are left."""
        times = 0
        while feature_sizes(size, times)[-1] > 8:
            times += 1
        return feature_sizes(size, times)

    def build(self, shape: Shape, latent_dim: int, codes: Codes = NO_CODES) -> Built:
        encoder, decoder = self.encoder(shape, latent_dim), self.decoder(shape, latent_dim)
        networks = {
            "generator": nn.Sequential(self.decoder(shape, latent_dim), nn.Tanh()),
            "discriminator": AutoEncoder(encoder, decoder, self.error),
        }
        for network in networks.values():
            _init_glorot(network)
        return networks

    def encoder(self, shape: Shape, code: int) -> nn.Sequential:
        """Block i has two convolutions of (i + 1) n channels and one of stride 2 to the next."""
        sides, width = self.sides(shape[1]), self.width
        layers: list[nn.Module] = [nn.Conv2d(shape[0], width, 3, padding=1), nn.ELU()]
        before = width
        for i, side in enumerate(sides):
            channels = (i + 1) * width
            for into in (before, channels):
                layers += [nn.Conv2d(into, channels, 3, padding=1), nn.ELU()]
            if i < len(sides) - 1:
                layers += [down_conv(channels, channels, 3, side), nn.ELU()]
            before = channels
        return nn.Sequential(*layers, nn.Flatten(), nn.Linear(before * sides[-1] ** 2, code))

    def decoder(self, shape: Shape, code: int) -> nn.Sequential:
        """FC to n maps; two convolutions a block, nearest upsampling between blocks."""
        sides, width = self.sides(shape[1])[::-1], self.width
        layers: list[nn.Module] = [
            nn.Linear(code, width * sides[0] ** 2),
            nn.Unflatten(1, (width, sides[0], sides[0])),
        ]
        for i, side in enumerate(sides):
            first = DoublingConv(width, width, side) if i else nn.Conv2d(width, width, 3, padding=1)
            layers += [first, nn.ELU(), nn.Conv2d(width, width, 3, padding=1), nn.ELU()]
        return nn.Sequential(*layers, nn.Conv2d(width, shape[0], 3, padding=1))


class EBGANNetworks(Networks):
    """D: a convolutional auto-encoder; G: DCGAN's with 4x4 kernels.

    Zhao et al. 2017, arXiv:1609.03126, appendix: encoder `width`, 2 `width`, 4 `width` with stride
    2, the decoder its mirror. Batch norm as DCGAN has it: not at D's input or output, not on the
    code. D's output is linear.
    """

    name = "ebgan"
    d_gives_errors: ClassVar = True
    d_has_head: ClassVar = False
    width: int = Field(64, ge=1, le=1024)
    d_norm: Literal["batch", "none"] = "batch"
    error: Error = "norm"

    def build(self, shape: Shape, latent_dim: int, codes: Codes = NO_CODES) -> Built:
        like = DCGANNetworks(width=self.width, stages=None, kernel=4)
        networks = {
            "generator": like.generator(shape, latent_dim),
            "discriminator": self.discriminator(shape),
        }
        for network in networks.values():
            init_normal(network)
        return networks

    def discriminator(self, shape: Shape) -> AutoEncoder:
        sides = feature_sizes(shape[1], 3)
        channels = [shape[0], self.width, 2 * self.width, 4 * self.width]
        encoder: list[nn.Module] = []
        decoder: list[nn.Module] = []
        for i in range(3):
            encoder.append(down_conv(channels[i], channels[i + 1], 4, sides[i]))
            encoder += self._between(channels[i + 1], norm=i == 1) if i < 2 else []
        for i in reversed(range(3)):
            decoder += [] if i == 2 else self._between(channels[i + 1])
            decoder.append(double_conv(channels[i + 1], channels[i], 4, sides[i + 1], sides[i]))
        return AutoEncoder(nn.Sequential(*encoder), nn.Sequential(*decoder), self.error)

    def _between(self, channels: int, norm: bool = True) -> list[nn.Module]:
        has_norm = norm and self.d_norm == "batch"
        return [*([nn.BatchNorm2d(channels)] if has_norm else []), nn.LeakyReLU(0.2, inplace=True)]


@torch.no_grad()
def _init_glorot(network: nn.Module) -> None:
    """Weights U(-a, a), a^2 = 6 / (fan in + fan out), biases 0: with torch's default the signal
    would fade over ten ELU layers without norm."""
    for layer in network.modules():
        if isinstance(layer, (nn.Linear, nn.Conv2d)):
            nn.init.xavier_uniform_(layer.weight)
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)
