"""Fixed random convolutional features: what a probe takes distances between samples in.

Distances of pixels do not compare across data sets, and trained features may not exist. Features of
an untrained network with fixed weights need no data, and are the same on every machine.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, conv2d, interpolate, leaky_relu

WIDTHS = (32, 48, 64)
#: Larger images are averaged down to this side first: what a probe looks for shows there too.
LARGEST = 32
#: Features with a smaller spread over real samples than this are constant, and left out.
LEAST_SPREAD = 1e-4


@lru_cache(maxsize=8)
def _kernels(channels: int) -> tuple[Tensor, ...]:
    """3x3 kernels of the three layers, normal with He's variance."""
    random = torch.Generator().manual_seed(0)
    found, ins = [], channels
    for width in WIDTHS:
        kernel = torch.randn(width, ins, 3, 3, generator=random)
        found.append(kernel / math.sqrt(ins * 9 / 2))
        ins = width
    return tuple(found)


@torch.no_grad()
def raw_features(samples: Tensor) -> Tensor:
    """Features (N, d) of samples (N, C, H, W) in [-1, 1], float32 on the CPU; of vectors (N, n)
    themselves. Each layer gives its means over a 2x2 grid, so that place counts a little."""
    samples = samples.detach().float().cpu()
    if samples.dim() != 4:
        return samples.flatten(1)
    if max(samples.shape[2:]) > LARGEST:
        samples = interpolate(samples, size=(LARGEST, LARGEST), mode="area")
    maps, found = samples, []
    for kernel in _kernels(samples.shape[1]):
        maps = leaky_relu(conv2d(maps, kernel, stride=2, padding=1), 0.2)
        found.append(adaptive_avg_pool2d(maps, 2).flatten(1))
    return torch.cat(found, 1)


class Scale:
    """Mean and spread of each feature over real samples: all features then count alike."""

    def __init__(self, real: Tensor) -> None:
        features = raw_features(real)
        self.mean = features.mean(0)
        spread = features.std(0)
        self.used = spread > LEAST_SPREAD * spread.max().clamp_min(1e-12)
        self.spread = spread

    def __call__(self, samples: Tensor) -> Tensor:
        """Standardised features (N, d) of samples (N, ...), divided by sqrt(d): a distance of real
        samples is about sqrt(2)."""
        features = (raw_features(samples) - self.mean)[:, self.used] / self.spread[self.used]
        return features / math.sqrt(max(1, features.shape[1]))
