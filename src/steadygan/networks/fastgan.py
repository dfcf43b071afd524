"""FastGAN's networks: one convolution a resolution in G, gates from its small maps to its large
ones, and a D whose inner maps small decoders turn back into images.

Liu et al. 2021, arXiv:2101.04775, section 3; widths are those of the authors' code.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from torch import Tensor, nn

from steadygan.networks.base import (
    NO_CODES,
    Built,
    Codes,
    Networks,
    Shape,
    down_conv,
    feature_sizes,
    init_normal,
)
from steadygan.networks.resampling import DoublingConv

#: How many doublings a gate skips: 8x8 maps excite 128x128 ones. Smaller images have fewer.
SKIP = 4
#: How many doublings a decoder makes: from 8 pixels to 128.
DOUBLINGS = 4
#: Halvings of D at least, so that the first of its two inner maps is no mere copy of the image.
HALVINGS = 2
#: Channels of G's maps at 4, 8, 16, ... 512 pixels, in quarters of `width`.
G_QUARTERS = (64, 32, 16, 8, 8, 4, 2, 1)


class FastGANNetworks(Networks):
    """G: 4x4 maps, then a block a doubling; D: a block a halving down to 8x8 maps, then 4x4 and FC.

    `width` is the authors' 64: G's channels at 4, 8, 16, ... pixels are 16, 8, 4, 2, 2, 1, 1/2 and
    1/4 times that; D's at 8, 16, 32, ... are 8, 4, 2, ... Sizes follow ceil(size / 2^k): G has 28,
    14, 7, 4 and D 28, 14, 7, then 4. `excitation=false` leaves G's gates out. The "decoder" and the
    "part_decoder" belong to D's optimizer, and stay as they are without the part `reconstruction`.
    """

    name = "fastgan"
    width: int = Field(64, ge=1, le=1024)
    excitation: bool = True
    d_norm: Literal["batch", "none"] = "none"

    @property
    def shows_maps(self) -> bool:
        return True

    def build(self, shape: Shape, latent_dim: int, codes: Codes = NO_CODES) -> Built:
        sides, channels = self.d_sides(shape[1]), self.d_channels(shape[1])
        of_whole = sides[::-1]
        of_part = [sides[-2] // 2 * 2**k for k in range(len(sides) - 1)]
        networks = {
            "generator": self.generator(shape, latent_dim),
            "discriminator": self.discriminator(shape),
            "decoder": self.decoder(channels[-1], of_whole[: DOUBLINGS + 1], shape[0]),
            "part_decoder": self.decoder(channels[-2], of_part[: DOUBLINGS + 1], shape[0]),
        }
        for network in networks.values():
            init_normal(network)
        return networks

    # ---- G -----------------------------------------------------------------------------------

    def g_sides(self, size: int) -> list[int]:
        """From G's first map, 3 or 4 pixels, to the image."""
        times = 0
        while feature_sizes(size, times)[-1] > 4:
            times += 1
        return feature_sizes(size, times)[::-1]

    def generator(self, shape: Shape, latent_dim: int) -> FastGANGenerator:
        sides = self.g_sides(shape[1])
        channels = [max(self.width * n // 4, 1) for n in G_QUARTERS[: len(sides)]]
        start = nn.Sequential(
            nn.Unflatten(1, (latent_dim, 1, 1)),
            nn.ConvTranspose2d(latent_dim, 2 * channels[0], sides[0], bias=False),
            nn.BatchNorm2d(2 * channels[0]),
            GLU(),
        )
        doublings = range(len(sides) - 1)
        blocks = [up_block(channels[i], channels[i + 1], sides[i + 1]) for i in doublings]
        skip = min(SKIP, len(blocks))
        gates = [
            SkipLayerExcitation(low, high)
            for low, high in zip(channels, channels[skip:], strict=False)
            if self.excitation
        ]
        end = nn.Sequential(nn.Conv2d(channels[-1], shape[0], 3, padding=1), nn.Tanh())
        return FastGANGenerator(start, blocks, gates, end)

    # ---- D and its decoders ------------------------------------------------------------------

    def d_sides(self, size: int) -> list[int]:
        """From the image to D's last inner map, 8 pixels or less."""
        times = HALVINGS
        while feature_sizes(size, times)[-1] > 8:
            times += 1
        return feature_sizes(size, times)

    def d_channels(self, size: int) -> list[int]:
        """Channels of the maps of `d_sides`: 8 `width` in the last, half of that before it, ..."""
        times = len(self.d_sides(size)) - 1
        return [max((8 * self.width) >> (times - k), 1) for k in range(times + 1)]

    def discriminator(self, shape: Shape) -> FastGANDiscriminator:
        sides, channels = self.d_sides(shape[1]), self.d_channels(shape[1])
        norm = self.d_norm == "batch"
        stem = [nn.Conv2d(shape[0], channels[0], 3, padding=1), nn.LeakyReLU(0.2, inplace=True)]
        *outer, deepest = (
            DownBlock(channels[i], channels[i + 1], sides[i], norm) for i in range(len(sides) - 1)
        )
        last = nn.Sequential(*_down(channels[-1], channels[-1], sides[-1], norm), nn.Flatten())
        features = channels[-1] * feature_sizes(sides[-1], 1)[-1] ** 2
        encoder = nn.Sequential(*stem, *outer)
        return FastGANDiscriminator(encoder, deepest, last, nn.Linear(features, 1))

    def decoder(self, channels: int, sides: list[int], out: int) -> nn.Sequential:
        """Maps (B, channels, sides[0], sides[0]) -> images (B, out, sides[-1], sides[-1])."""
        widths = [channels, *(max(self.width * h // 2, 1) for h in (4, 2, 2, 1))]
        layers = [up_block(widths[i], widths[i + 1], sides[i + 1]) for i in range(len(sides) - 1)]
        end = nn.Conv2d(widths[len(layers)], out, 3, padding=1)
        return nn.Sequential(*layers, end, nn.Tanh())


class GLU(nn.Module):
    """(B, 2 c, ...) -> (B, c, ...): the first half of the channels times the sigmoid of the second.
    Dauphin et al. 2017, arXiv:1612.08083.

    The gradient of `nn.GLU` is contiguous for channels-last maps too, and batch norm's backward,
    which it then goes through, takes several times as long on a CPU.
    """

    def forward(self, x: Tensor) -> Tensor:
        kept, gate = x.chunk(2, 1)
        return kept * gate.sigmoid()


def up_block(channels: int, out: int, side: int) -> nn.Sequential:
    """Pixels repeated up to `side`, a 3x3 convolution to 2 `out`, batch norm, GLU to `out`."""
    return nn.Sequential(
        DoublingConv(channels, 2 * out, side, bias=False),
        nn.BatchNorm2d(2 * out),
        GLU(),
    )


class SkipLayerExcitation(nn.Module):
    """F(low) * high, a factor in (0, 1) a channel: (B, low, h, h), (B, high, s, s) -> as `high`.

    F: pooled to 4x4, a 4x4 convolution to one pixel, LeakyReLU(.1), a 1x1 convolution, sigmoid. Liu
    et al. 2021, section 3.1.
    """

    def __init__(self, low: int, high: int) -> None:
        super().__init__()
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(4),
            nn.Conv2d(low, high, 4, bias=False),
            nn.LeakyReLU(0.1, inplace=True),
            nn.Conv2d(high, high, 1, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, low: Tensor, high: Tensor) -> Tensor:
        return self.gate(low) * high


class FastGANGenerator(nn.Module):
    """Latents (B, n) -> images (B, C, H, W) in [-1, 1]. The first gate reads the first map, the
    second the second, ..., and the last scales the last map."""

    def __init__(
        self, start: nn.Module, blocks: list[nn.Sequential], gates: list[SkipLayerExcitation],
        end: nn.Module,
    ) -> None:  # fmt: skip
        super().__init__()
        self.start, self.end = start, end
        self.blocks, self.gates = nn.ModuleList(blocks), nn.ModuleList(gates)

    def forward(self, latent: Tensor) -> Tensor:
        maps = [self.start(latent)]
        ungated = len(self.blocks) - len(self.gates)
        for i, block in enumerate(self.blocks):
            made = block(maps[-1])
            maps.append(made if i < ungated else self.gates[i - ungated](maps[i - ungated], made))
        return self.end(maps[-1])


class DownBlock(nn.Module):
    """Half the pixels, by two paths that are averaged: 4x4 at stride 2, then 3x3; and the mean of
    2x2 pixels, then 1x1. LeakyReLU(.2) after each convolution, with `norm` behind batch norm."""

    def __init__(self, channels: int, out: int, side: int, norm: bool) -> None:
        super().__init__()
        self.main = nn.Sequential(
            *_down(channels, out, side, norm),
            *_activated(nn.Conv2d(out, out, 3, padding=1, bias=not norm), norm),
        )
        self.direct = nn.Sequential(
            nn.AvgPool2d(2, ceil_mode=True),
            *_activated(nn.Conv2d(channels, out, 1, bias=not norm), norm),
        )

    def forward(self, x: Tensor) -> Tensor:
        return (self.main(x) + self.direct(x)) / 2


def _down(channels: int, out: int, side: int, norm: bool) -> list[nn.Module]:
    return _activated(down_conv(channels, out, 4, side, bias=not norm), norm)


def _activated(layer: nn.Conv2d, norm: bool) -> list[nn.Module]:
    between = [nn.BatchNorm2d(layer.out_channels)] if norm else []
    return [layer, *between, nn.LeakyReLU(0.2, inplace=True)]


class FastGANDiscriminator(nn.Module):
    """Images -> the inner maps f1 and f2, of half its side -> features (B, n) -> a raw score each,
    (B, 1)."""

    def __init__(
        self, encoder: nn.Module, deepest: nn.Module, last: nn.Module, head: nn.Module
    ) -> None:
        super().__init__()
        self.encoder, self.deepest, self.last, self.head = encoder, deepest, last, head

    def judge(self, x: Tensor) -> tuple[Tensor, ...]:
        """Features, scores; then x, f1 and f2, which decoders rebuild x from."""
        f1 = self.encoder(x)
        f2 = self.deepest(f1)
        features = self.last(f2)
        return features, self.head(features), x, f1, f2

    def features(self, x: Tensor) -> Tensor:
        return self.last(self.deepest(self.encoder(x)))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))
