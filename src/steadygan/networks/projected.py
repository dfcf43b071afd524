"""Projected GAN's networks: FastGAN's G, and a D that sees through a frozen, pretrained network.

Sauer et al. 2021, arXiv:2111.01007, section 3.2. The frozen network is no module of D: it is in no
checkpoint, no optimizer and no average, and stays in eval mode. What is drawn at random is in
buffers of D, saved with it and never trained.
"""

from __future__ import annotations

import hashlib
import math
from typing import Any, ClassVar, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn.functional import conv2d, interpolate

from steadygan.networks.base import NO_CODES, Built, Codes, Discriminator, Networks, Shape
from steadygan.networks.fastgan import FastGANNetworks
from steadygan.networks.own import make_module
from steadygan.networks.pretrained import WEIGHTS_SHA256, load_effnet_maps

#: The side of a block of pixels, which the head over pixels has as channels.
BLOCK = 4
#: Channels of a head: the first halving of its map, and every other.
HEAD = (64, 128)
#: A head's map at most: larger ones are halved down to it.
LAST = 4


class ProjectedNetworks(Networks):
    """G: `FastGANNetworks` of `width`. D: the maps of a frozen network, mixed at random across
    channels and scales, and a small head a scale.

    `features`: `effnet` (EfficientNet-Lite0 with ImageNet weights, maps at strides 4, 8, 16 and 32;
    the extra `effnet`), or `module:Net` of one's own: a class, function or module that gives a list
    of maps (B, c, h, h), largest first, for images (B, 3, H, H) in [-1, 1]. Images are resized to
    `side` for it. `weights` is the sha256 of its weights, for one's own what `weights_of` gives
    (nothing is checked where it is empty): a network with others is refused. `mixed`: channels of
    the largest mixed map; each smaller one has twice as many. `pixels` adds a head that sees the
    image itself, in blocks of 4x4 pixels: colours and thin strokes, which the frozen network does
    not tell exactly.
    """

    name = "projected"
    d_scores_heads: ClassVar = True
    width: int = Field(64, ge=1, le=1024)
    features: str = "effnet"
    weights: str = ""
    side: int = Field(256, ge=32, le=512)
    mixed: int = Field(64, ge=1, le=1024)
    pixels: bool = False

    @model_validator(mode="after")
    def _in_whole_blocks(self) -> Self:
        if self.pixels and self.side % BLOCK:
            raise ValueError(f"pixels wants a side that is a multiple of {BLOCK}, not {self.side}")
        return self

    @model_validator(mode="before")
    @classmethod
    def _with_its_weights(cls, fields: dict[str, Any]) -> dict[str, Any]:
        ships, weights = fields.get("features", "effnet") == "effnet", fields.get("weights", "")
        if weights in ("", WEIGHTS_SHA256):
            return {**fields, "weights": WEIGHTS_SHA256 if ships else ""}
        return fields

    def build(self, shape: Shape, latent_dim: int, codes: Codes = NO_CODES) -> Built:
        like = FastGANNetworks(width=self.width)
        generator = like.build(shape, latent_dim, codes)["generator"]
        return {"generator": generator, "discriminator": self.discriminator()}

    def discriminator(self) -> Discriminator:
        frozen = Frozen(self._network(), self.side)
        trunk = ProjectedTrunk(frozen, self.mixed, self.pixels)
        return Discriminator(trunk, Mean())

    def _network(self) -> nn.Module:
        if self.features == "effnet":
            return load_effnet_maps(self.weights)
        if ":" not in self.features:
            raise ValueError(f"features={self.features}: give effnet, or module:Net of your own")
        network = make_module(self.features)
        if self.weights and (found := weights_of(network)) != self.weights:
            raise ValueError(
                f"features={self.features}: its weights are {found[:12]}..., and the recipe wants "
                f"{self.weights[:12]}...: give it the weights that the run was trained with"
            )
        return network


def weights_of(network: nn.Module) -> str:
    """The sha256 of a network's tensors, in the order of their names."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


class Frozen:
    """A pretrained network that a discriminator looks through. No module, so that its weights are
    none of the discriminator's; a copy of a discriminator shares it."""

    def __init__(self, network: nn.Module, side: int) -> None:
        self.network = network.eval().requires_grad_(False)
        self.side = side
        self._device = torch.device("cpu")

    def __deepcopy__(self, memo: dict[int, Any]) -> Frozen:
        return self

    def __call__(self, images: Tensor) -> list[Tensor]:
        """Images (B, 1 or 3, H, W) in [-1, 1] -> its maps (B, c, h, w), largest first."""
        if images.device != self._device:
            self.network.to(images.device)
            self._device = images.device
        return list(self.network(self.sized(images)))

    def sized(self, images: Tensor) -> Tensor:
        """Images (B, 1 or 3, H, W) as the network takes them: (B, 3, side, side)."""
        images = images.expand(-1, 3, -1, -1)
        if images.shape[-1] == self.side:
            return images
        return interpolate(images, (self.side,) * 2, mode="bilinear", align_corners=False)

    def channels(self) -> list[tuple[int, int]]:
        """(channels, side) of each map. Raises ValueError where it gives no such maps."""
        with torch.no_grad():
            try:
                maps = self(torch.zeros(2, 3, self.side, self.side))
            except (RuntimeError, TypeError) as error:
                raise ValueError(
                    f"features: the network takes no images (2, 3, {self.side}, {self.side}): "
                    f"{str(error).splitlines()[0]}"
                ) from None
        found = [tuple(m.shape) if isinstance(m, Tensor) else type(m).__name__ for m in maps]
        square = [s for s in found if isinstance(s, tuple) and len(s) == 4 and s[2] == s[3]]
        sides = [shape[3] for shape in square]
        if not found or len(square) < len(found) or sides != sorted(sides, reverse=True):
            raise ValueError(
                "features: the network must give a list of square maps (B, c, h, h), largest "
                f"first; for 2 images it gave {found}"
            )
        return [(shape[1], shape[3]) for shape in square]


class ProjectedTrunk(nn.Module):
    """Images -> the score of each scale's head, (B, scales); with `pixels` one more, that of a head
    over the image's pixels.

    Cross-channel mixing: a random 1x1 convolution a map. Cross-scale mixing: from the smallest map
    up, twice the pixels, added to the next, through a random 3x3 convolution. Before it every map
    is divided by its root mean square, so that no scale's size decides its head's slope.
    """

    def __init__(self, frozen: Frozen, mixed: int, pixels: bool) -> None:
        super().__init__()
        self.frozen = frozen
        maps = frozen.channels()
        widths = [mixed * 2**k for k in range(len(maps))]
        self.across_channels = nn.ModuleList(
            RandomConv(channels, width, 1)
            for (channels, _), width in zip(maps, widths, strict=True)
        )
        # Each mixed map is as wide as the map above it, into which it is mixed in turn.
        outs = [widths[0], *widths[:-1]]
        self.across_scales = nn.ModuleList(
            RandomConv(width, out, 3) for width, out in zip(widths, outs, strict=True)
        )
        self.heads = nn.ModuleList(
            head(width, side) for width, (_, side) in zip(outs, maps, strict=True)
        )
        self.over_pixels = over_pixels(frozen.side) if pixels else None

    def forward(self, images: Tensor) -> Tensor:
        images = self.frozen.sized(images)
        scores = [h(m) for h, m in zip(self.heads, self.mixed(images), strict=True)]
        if self.over_pixels is not None:
            scores.append(self.over_pixels(images))
        return torch.cat(scores, 1)

    def mixed(self, images: Tensor) -> list[Tensor]:
        """The mixed maps, largest first."""
        seen = [
            mix(m / m.square().mean((1, 2, 3), keepdim=True).add(1e-8).sqrt())
            for mix, m in zip(self.across_channels, self.frozen(images), strict=True)
        ]
        below: Tensor | None = None
        found = []
        for k in reversed(range(len(seen))):
            here = seen[k]
            if below is not None:
                larger = interpolate(below, here.shape[-2:], mode="bilinear", align_corners=False)
                here = (here + larger) / math.sqrt(2)
            below = self.across_scales[k](here)
            found.append(below)
        return found[::-1]


class RandomConv(nn.Module):
    """A convolution with weights N(0, 1 / fan_in) that is never trained: they are a buffer."""

    weight: Tensor

    def __init__(self, channels: int, out: int, kernel: int) -> None:
        super().__init__()
        weight = torch.randn(out, channels, kernel, kernel) / math.sqrt(channels * kernel**2)
        self.register_buffer("weight", weight)

    def forward(self, x: Tensor) -> Tensor:
        return conv2d(x, self.weight, padding=self.weight.shape[-1] // 2)


class Mean(nn.Module):
    """The heads' scores (B, n) -> their mean (B, 1): what D is said to score."""

    def forward(self, scores: Tensor) -> Tensor:
        return scores.mean(1, keepdim=True)


def over_pixels(side: int) -> nn.Sequential:
    """Images (B, 3, side, side) -> a raw score (B, 1), with each block of pixels as channels."""
    return nn.Sequential(nn.PixelUnshuffle(BLOCK), *head(3 * BLOCK**2, side // BLOCK))


def head(channels: int, side: int) -> nn.Sequential:
    """A map (B, channels, side, side) -> a raw score (B, 1): 4x4 convolutions at stride 2 down to 4
    pixels or less, LeakyReLU(.2) after each, then one over all that is left."""
    layers: list[nn.Module] = []
    first = True
    while side > LAST:
        out = HEAD[0] if first else HEAD[1]
        layers += [nn.Conv2d(channels, out, 4, 2, 1), nn.LeakyReLU(0.2, inplace=True)]
        channels, side, first = out, side // 2, False
    return nn.Sequential(*layers, nn.Conv2d(channels, 1, side), nn.Flatten())
