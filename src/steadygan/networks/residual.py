"""Pre-activation residual blocks of the ResNet GANs. Miyato et al. 2018, appendix B.4.

Glorot-uniform weights, with gain sqrt 2 in the residual branch and 1 in the shortcut, as in the
authors' code. Sides may be odd: 4 <-> 7 <-> 14 <-> 28.
"""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn.functional import relu

from steadygan.networks.base import Weighted
from steadygan.networks.resampling import DoublingConv, HalvingConv, enlarged, halved

#: Of the convolutions of residual branches, which ReLUs halve.
GAIN = math.sqrt(2.0)


def glorot_(layer: Weighted, gain: float = 1.0) -> Weighted:
    """`layer` with Glorot-uniform weights times `gain` and biases 0."""
    nn.init.xavier_uniform_(layer.weight, gain)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def _conv3(channels: int, out: int) -> nn.Conv2d:
    return glorot_(nn.Conv2d(channels, out, 3, padding=1), GAIN)


class UpBlock(nn.Module):
    """BN, ReLU, enlarge, conv, BN, ReLU, conv; shortcut: enlarge, 1x1 conv. To `side` pixels."""

    def __init__(self, channels: int, out: int, side: int) -> None:
        super().__init__()
        self.side = side
        self.norms = nn.ModuleList([nn.BatchNorm2d(channels), nn.BatchNorm2d(out)])
        enlarging = glorot_(DoublingConv(channels, out, side), GAIN)
        self.convs = nn.ModuleList([enlarging, _conv3(out, out)])
        self.shortcut = glorot_(nn.Conv2d(channels, out, 1))

    def forward(self, x: Tensor) -> Tensor:
        branch = self.convs[0](relu(self.norms[0](x)))
        branch = self.convs[1](relu(self.norms[1](branch)))
        # A 1x1 convolution commutes with repeating pixels: it comes first, on a quarter of them.
        return branch + enlarged(self.shortcut(x), self.side)


class DownBlock(nn.Module):
    """ReLU, conv, ReLU, conv, halve; shortcut: 1x1 conv, halve. From `side` pixels.

    The `first` block sees an image: it has no ReLU at the start, and its shortcut halves before the
    1x1 convolution. Without a `side` maps keep theirs, and for equal channels the shortcut is the
    identity.
    """

    def __init__(self, channels: int, out: int, side: int | None = None, *, first: bool = False):
        super().__init__()
        self.halves, self.first = side is not None, first
        hidden = out if first else channels
        first_conv = _conv3(channels, hidden)
        halving = None if side is None else glorot_(HalvingConv(hidden, out, side), GAIN)
        self.convs = nn.ModuleList([first_conv, halving or _conv3(hidden, out)])
        learned = self.halves or channels != out
        self.shortcut = glorot_(nn.Conv2d(channels, out, 1)) if learned else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        branch = self.convs[0](x if self.first else relu(x))
        branch = self.convs[1](relu(branch))
        if not self.halves:
            return branch + self.shortcut(x)
        # Averaging commutes with a 1x1 convolution: done first, it leaves a quarter of the pixels.
        return branch + self.shortcut(halved(x))


class SumPool(nn.Module):
    """ReLU, then the sum over all positions: (B, C, H, W) -> (B, C)."""

    def forward(self, x: Tensor) -> Tensor:
        return relu(x).sum((2, 3))
