"""The networks of SNGAN, convolutional and residual, and by their settings those of SAGAN.

Miyato et al. 2018, arXiv:1802.05957, appendix B.4. They have no spectral normalisation: the part
`spectral-norm` adds it. Where the paper and later code differ, the convolutional D has the channels
of compare_gan, 64, 128, 128, 256, 256, 512, 512 (the paper: 64, 64, 128, 128, ...).
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field
from torch import nn

from steadygan.networks.attention import SelfAttention
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
from steadygan.networks.residual import DownBlock, SumPool, UpBlock, glorot_

#: Sides up to which the residual networks are those for 32 pixels; above, those for 64.
SMALL_SIDE = 48


class SNGANNetworks(Networks):
    """`backbone=cnn`: G from s/8 by 4x4 transposed convolutions, D of seven convolutions.
    `backbone=resnet`: G from 4x4 by residual blocks, D of residual blocks and a sum over positions.

    `width` 64 gives the published channels: next to the image 64 in the CNN and in the 64-pixel
    ResNet; the 32-pixel ResNet has 256 in G and 128 in D everywhere. `stages` is how often sides
    double in G: None takes 3, and above 64 pixels (ResNet: 48) more. `attention` lists after how
    many halvings of the image's side both networks get a self-attention block: 1 is 16x16 maps at
    32 pixels.
    """

    name = "sngan"
    backbone: Literal["cnn", "resnet"] = "cnn"
    width: int = Field(64, ge=1, le=1024)
    stages: int | None = Field(None, ge=1, le=7)
    attention: tuple[Annotated[int, Field(ge=1)], ...] = ()
    attention_pool: bool = True
    attention_values: Literal["half", "full"] = "half"

    def incompatibility(self, shape: Shape) -> str | None:
        if problem := super().incompatibility(shape):
            return problem
        deepest = self.d_halvings(shape[1])
        if self.attention and max(self.attention) > deepest:
            return (
                f"attention={max(self.attention)}: D halves {shape[1]} pixels {deepest} times at "
                "most"
            )
        return None

    def stages_for(self, size: int) -> int:
        """`stages`, or as many as the published networks have: the CNN starts at 8 or below."""
        if self.stages is not None:
            return self.stages
        if self.backbone == "cnn":
            return max(3, math.ceil(math.log2(size / 8)))
        return 3 if size <= SMALL_SIDE else max(4, math.ceil(math.log2(size / 4)))

    def d_halvings(self, size: int) -> int:
        """How often D halves the side of its maps."""
        stages = self.stages_for(size)
        if self.backbone == "cnn":
            return stages
        return max(stages - 1, 1) if size <= SMALL_SIDE else stages + 1

    def build(self, shape: Shape, latent_dim: int, codes: Codes = NO_CODES) -> Built:
        make = {"cnn": (self.cnn_g, self.cnn_d), "resnet": (self.resnet_g, self.resnet_d)}
        generator, discriminator = make[self.backbone]
        return {"generator": generator(shape, latent_dim), "discriminator": discriminator(shape)}

    # ---- the CNN -----------------------------------------------------------------------------

    def _cnn_channels(self, size: int) -> list[int]:
        return [self.width * min(2**i, 8) for i in range(self.stages_for(size) + 1)]

    def cnn_g(self, shape: Shape, latent_dim: int) -> nn.Module:
        """FC, BN, ReLU; 4x4 s2 transposed convolutions with BN, ReLU; conv 3x3; tanh."""
        sides = feature_sizes(shape[1], self.stages_for(shape[1]))
        channels = self._cnn_channels(shape[1])
        deepest = len(sides) - 1
        first = (channels[-1], sides[-1], sides[-1])
        layers: list[nn.Module] = [nn.Linear(latent_dim, math.prod(first)), nn.Unflatten(1, first)]
        for k in reversed(range(deepest + 1)):
            if k < deepest:
                layers.append(double_conv(channels[k + 1], channels[k], 4, sides[k + 1], sides[k]))
            layers += [nn.BatchNorm2d(channels[k]), nn.ReLU(inplace=True)]
            layers += self._attention_at(k, channels[k], fused=True)
        layers += [nn.Conv2d(channels[0], shape[0], 3, padding=1), nn.Tanh()]
        generator = nn.Sequential(*layers)
        init_normal(generator)
        return generator

    def cnn_d(self, shape: Shape) -> nn.Module:
        """conv 3x3; conv 4x4 s2, conv 3x3 a stage; LeakyReLU(.1) after each; FC."""
        sides = feature_sizes(shape[1], self.stages_for(shape[1]))
        channels = self._cnn_channels(shape[1])
        layers = [nn.Conv2d(shape[0], channels[0], 3, padding=1), nn.LeakyReLU(0.1, inplace=True)]
        for k in range(1, len(sides)):
            layers.append(down_conv(channels[k - 1], channels[k], 4, sides[k - 1]))
            layers.append(nn.LeakyReLU(0.1, inplace=True))
            layers += self._attention_at(k, channels[k], fused=False)
            layers.append(nn.Conv2d(channels[k], channels[k], 3, padding=1))
            layers.append(nn.LeakyReLU(0.1, inplace=True))
        head = nn.Linear(channels[-1] * sides[-1] ** 2, 1)
        discriminator = Discriminator(nn.Sequential(*layers, nn.Flatten()), head)
        init_normal(discriminator)
        return discriminator

    # ---- the ResNets -------------------------------------------------------------------------

    def resnet_g(self, shape: Shape, latent_dim: int) -> nn.Module:
        """FC; an up-block a stage; BN, ReLU, conv 3x3, tanh."""
        stages = self.stages_for(shape[1])
        sides = feature_sizes(shape[1], stages)
        small = shape[1] <= SMALL_SIDE
        channels = [self.width * (4 if small else min(2**i, 16)) for i in range(stages + 1)]
        first = (channels[-1], sides[-1], sides[-1])
        layers: list[nn.Module] = [
            glorot_(nn.Linear(latent_dim, math.prod(first))),
            nn.Unflatten(1, first),
        ]
        layers += self._attention_at(stages, channels[-1], fused=True)
        for k in reversed(range(stages)):
            layers.append(UpBlock(channels[k + 1], channels[k], sides[k]))
            layers += self._attention_at(k, channels[k], fused=True)
        layers += [nn.BatchNorm2d(channels[0]), nn.ReLU(inplace=True)]
        return nn.Sequential(
            *layers, glorot_(nn.Conv2d(channels[0], shape[0], 3, padding=1)), nn.Tanh()
        )

    def resnet_d(self, shape: Shape) -> nn.Module:
        """Down-blocks, two more that keep the side up to 48 pixels; ReLU; sum; FC without bias (up
        to 48 pixels, as in the authors' code)."""
        halves, small = self.d_halvings(shape[1]), shape[1] <= SMALL_SIDE
        channels = [self.width * (2 if small else min(2**i, 16)) for i in range(halves)]
        sides = feature_sizes(shape[1], halves)
        layers: list[nn.Module] = []
        for k, out in enumerate(channels):
            into = channels[k - 1] if k else shape[0]
            layers.append(DownBlock(into, out, sides[k], first=k == 0))
            layers += self._attention_at(k + 1, out, fused=False)
        if small:
            layers += [DownBlock(channels[-1], channels[-1]) for _ in range(2)]
        head = glorot_(nn.Linear(channels[-1], 1, bias=not small))
        return Discriminator(nn.Sequential(*layers, SumPool()), head)

    def _attention_at(self, halved: int, channels: int, fused: bool) -> list[nn.Module]:
        """The attention block after `halved` halvings, if `attention` lists it. D's is not `fused`:
        penalties differentiate D twice."""
        if halved not in self.attention:
            return []
        values = channels if self.attention_values == "full" else None
        block = SelfAttention(
            channels, pool=self.attention_pool, value_channels=values, fused=fused
        )
        for layer in (block.query, block.key, block.value, block.out):
            glorot_(layer)
        return [block]
