"""The Inception network of FID: InceptionV3 as the published weights of 2015-12-05 require it.

Szegedy et al. 2016, "Rethinking the Inception Architecture", arXiv:1512.00567; Heusel et al. 2017,
arXiv:1706.08500. The layers and names are those of the weights in pytorch-fid's format. Where the
TensorFlow graph of those weights differs from the usual InceptionV3, this network follows the
graph: average pools leave padding out of the mean, the pool of the last block takes the maximum,
and there are 1,008 classes.

Images are resized to 299 px, bilinear with `align_corners=False`, float, in [-1, 1]. Features are
the 2,048 means before the last layer. The logits leave that layer's bias out, as Inception Score's
authors do.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, max_pool2d

SIDE, DIMENSION, CLASSES = 299, 2048, 1008
RESIZE = "bilinear to 299 px, align_corners=False"

#: kernel (height, width), stride, padding (height, width) of a convolution.
ONE = (1, 1), 1, (0, 0)
THREE = (3, 3), 1, (1, 1)
BARE = (3, 3), 1, (0, 0)
HALVING = (3, 3), 2, (0, 0)
FIVE = (5, 5), 1, (2, 2)
WIDE, TALL = ((1, 3), 1, (0, 1)), ((3, 1), 1, (1, 0))
WIDER, TALLER = ((1, 7), 1, (0, 3)), ((7, 1), 1, (3, 0))


class Conv(nn.Module):
    """Convolution without bias, batch norm (eps .001), ReLU."""

    def __init__(self, before: int, after: int, shape: tuple) -> None:
        super().__init__()
        kernel, stride, padding = shape
        self.conv = nn.Conv2d(before, after, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(after, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.conv(x)).relu()


def mean_pool(x: Tensor) -> Tensor:
    return avg_pool2d(x, 3, 1, 1, count_include_pad=False)


def largest_pool(x: Tensor) -> Tensor:
    return max_pool2d(x, 3, 1, 1)


def halving_pool(x: Tensor) -> Tensor:
    return max_pool2d(x, 3, 2)


#: A branch is a chain of (name, channels, shape); a tuple of two ends in two convolutions side by
#: side. `POOL` stands for the block's pool.
POOL = "pool"


class Block(nn.Module):
    """Branches side by side, joined by channel."""

    def __init__(self, before: int, branches: list[list], pool: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.pool, self.channels = pool, 0
        self.chains: list[list[str | tuple[str, ...]]] = []
        for branch in branches:
            width = before
            chain: list[str | tuple[str, ...]] = []
            for link in branch:
                if link == POOL:
                    chain.append(POOL)
                    continue
                pair = link if isinstance(link[0], tuple) else (link,)
                for name, after, shape in pair:
                    self.add_module(name, Conv(width, after, shape))
                chain.append(tuple(name for name, _, _ in pair))
                width = sum(after for _, after, _ in pair)
            self.chains.append(chain)
            self.channels += width

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self._along(chain, x) for chain in self.chains], 1)

    def _along(self, chain: list, x: Tensor) -> Tensor:
        for link in chain:
            if link == POOL:
                x = self.pool(x)
            else:
                x = torch.cat([getattr(self, name)(x) for name in link], 1)
        return x


def block_a(before: int, pooled: int) -> Block:
    """35 x 35: 1x1, 5x5, two 3x3, pool."""
    return Block(before, [
        [("branch1x1", 64, ONE)],
        [("branch5x5_1", 48, ONE), ("branch5x5_2", 64, FIVE)],
        [("branch3x3dbl_1", 64, ONE), ("branch3x3dbl_2", 96, THREE), ("branch3x3dbl_3", 96, THREE)],
        [POOL, ("branch_pool", pooled, ONE)],
    ], mean_pool)  # fmt: skip


def block_b(before: int) -> Block:
    """35 x 35 to 17 x 17."""
    return Block(before, [
        [("branch3x3", 384, HALVING)],
        [("branch3x3dbl_1", 64, ONE), ("branch3x3dbl_2", 96, THREE),
         ("branch3x3dbl_3", 96, HALVING)],
        [POOL],
    ], halving_pool)  # fmt: skip


def block_c(before: int, inner: int) -> Block:
    """17 x 17: 1x1, 7x7 and two 7x7 taken apart into 1x7 and 7x1, pool."""
    return Block(before, [
        [("branch1x1", 192, ONE)],
        [("branch7x7_1", inner, ONE), ("branch7x7_2", inner, WIDER),
         ("branch7x7_3", 192, TALLER)],
        [("branch7x7dbl_1", inner, ONE), ("branch7x7dbl_2", inner, TALLER),
         ("branch7x7dbl_3", inner, WIDER), ("branch7x7dbl_4", inner, TALLER),
         ("branch7x7dbl_5", 192, WIDER)],
        [POOL, ("branch_pool", 192, ONE)],
    ], mean_pool)  # fmt: skip


def block_d(before: int) -> Block:
    """17 x 17 to 8 x 8."""
    return Block(before, [
        [("branch3x3_1", 192, ONE), ("branch3x3_2", 320, HALVING)],
        [("branch7x7x3_1", 192, ONE), ("branch7x7x3_2", 192, WIDER),
         ("branch7x7x3_3", 192, TALLER), ("branch7x7x3_4", 192, HALVING)],
        [POOL],
    ], halving_pool)  # fmt: skip


def block_e(before: int, pool: Callable[[Tensor], Tensor]) -> Block:
    """8 x 8: 1x1, 3x3 and two 3x3 that end in 1x3 beside 3x1, pool."""
    return Block(before, [
        [("branch1x1", 320, ONE)],
        [("branch3x3_1", 384, ONE), (("branch3x3_2a", 384, WIDE), ("branch3x3_2b", 384, TALL))],
        [("branch3x3dbl_1", 448, ONE), ("branch3x3dbl_2", 384, THREE),
         (("branch3x3dbl_3a", 384, WIDE), ("branch3x3dbl_3b", 384, TALL))],
        [POOL, ("branch_pool", 192, ONE)],
    ], pool)  # fmt: skip


class Inception(nn.Module):
    """Images (B, 1 or 3, H, W) in [-1, 1] to features (B, 2048) and logits (B, 1008)."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = Conv(3, 32, HALVING)
        self.Conv2d_2a_3x3 = Conv(32, 32, BARE)
        self.Conv2d_2b_3x3 = Conv(32, 64, THREE)
        self.Conv2d_3b_1x1 = Conv(64, 80, ONE)
        self.Conv2d_4a_3x3 = Conv(80, 192, BARE)
        width = 192
        for name, make in {
            "Mixed_5b": lambda w: block_a(w, 32),
            "Mixed_5c": lambda w: block_a(w, 64),
            "Mixed_5d": lambda w: block_a(w, 64),
            "Mixed_6a": block_b,
            "Mixed_6b": lambda w: block_c(w, 128),
            "Mixed_6c": lambda w: block_c(w, 160),
            "Mixed_6d": lambda w: block_c(w, 160),
            "Mixed_6e": lambda w: block_c(w, 192),
            "Mixed_7a": block_d,
            "Mixed_7b": lambda w: block_e(w, mean_pool),
            "Mixed_7c": lambda w: block_e(w, largest_pool),
        }.items():
            block = make(width)
            self.add_module(name, block)
            width = block.channels
        self.fc = nn.Linear(width, CLASSES)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        x = images.expand(-1, 3, -1, -1)
        x = interpolate(x, size=(SIDE, SIDE), mode="bilinear", align_corners=False)
        pooled = {"Conv2d_2b_3x3", "Conv2d_4a_3x3"}
        for name, layer in self.named_children():
            if name == "fc":
                continue
            x = layer(x)
            if name in pooled:
                x = halving_pool(x)
        features = x.mean((2, 3))
        return features, features @ self.fc.weight.T
