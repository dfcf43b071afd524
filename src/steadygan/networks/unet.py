"""The U-Net auto-encoder of the decoding constraint, which gives each image a feature."""

from __future__ import annotations

from torch import Tensor, cat, nn

from steadygan.networks.base import Shape, double_conv, down_conv, feature_sizes

#: Channels of both scales.
CHANNELS = 16

Skips = tuple[Tensor, ...]


class UNet(nn.Module):
    """Two halvings, a feature of `dim` numbers, two doublings; skips at both scales, or none.

    843,511 parameters at 64x64x3 and 226,039 at 32x32x3 with `dim` 100 and skips: the size that
    Chen et al. 2022 report. They describe a U-Net whose middle layer has as many numbers as the
    latent; the layers are ours. Images (B, C, H, W) in [-1, 1], out of tanh.
    """

    def __init__(self, shape: Shape, dim: int, skips: bool = True) -> None:
        super().__init__()
        size, half, quarter = feature_sizes(shape[1], 2)
        self.skips = skips
        self.inner = (CHANNELS, quarter, quarter)
        flat, into = CHANNELS * quarter**2, CHANNELS * (2 if skips else 1)
        self.down = nn.ModuleList(
            [down_conv(shape[0], CHANNELS, 4, size), down_conv(CHANNELS, CHANNELS, 4, half)]
        )
        self.to_feature, self.from_feature = nn.Linear(flat, dim), nn.Linear(dim, flat)
        self.up = nn.ModuleList(
            [double_conv(into, CHANNELS, 5, quarter, half),
             double_conv(into, shape[0], 5, half, size)]
        )  # fmt: skip

    def encode(self, images: Tensor) -> tuple[Tensor, Skips]:
        """The feature (B, dim) and what the skips carry, finest first; () where there are none."""
        fine = nn.functional.leaky_relu(self.down[0](images), 0.2)
        coarse = nn.functional.leaky_relu(self.down[1](fine), 0.2)
        return self.to_feature(coarse.flatten(1)), (fine, coarse) if self.skips else ()

    def decode(self, feature: Tensor, skips: Skips) -> Tensor:
        """Images from a feature and what `encode` gave the skips."""
        inner = self.from_feature(feature).relu().unflatten(1, self.inner)
        if not self.skips:
            return self.up[1](self.up[0](inner).relu()).tanh()
        fine, coarse = skips
        outer = self.up[0](cat([inner, coarse], 1)).relu()
        return self.up[1](cat([outer, fine], 1)).tanh()

    def forward(self, images: Tensor) -> Tensor:
        return self.decode(*self.encode(images))
