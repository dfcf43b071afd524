"""Self-supervision of D: small decoders rebuild real images from its inner maps."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, avg_pool2d

from steadygan.game.draws import device_of
from steadygan.game.part import Part

if TYPE_CHECKING:
    from steadygan.game.context import StepContext
    from steadygan.game.recipe import Recipe


def reconstruction_loss(rebuilt: Tensor, images: Tensor, *, scales: int = 3) -> Tensor:
    """The mean of |x' - x| over pixels, averaged over `scales`: as they are, and their means over
    2x2, 4x4, ... pixels. Images (B, C, H, W) in [-1, 1].

    ||G(f) - T(x)|| of Liu et al. 2021, section 3.2, where the norm is a perceptual distance.
    """
    off = rebuilt - images
    costs = [off.abs().mean()]
    for _ in range(scales - 1):
        off = avg_pool2d(off, 2, ceil_mode=True)
        costs.append(off.abs().mean())
    return torch.stack(costs).mean()


def same_part(
    maps: Tensor, images: Tensor, generator: torch.Generator | None = None
) -> tuple[Tensor, Tensor]:
    """A square of half the side of `maps` (B, n, h, h), at one random place for the whole batch,
    and the pixels of `images` (B, C, s, s) at the same place."""
    side, size = maps.shape[-1], images.shape[-1]
    half = side // 2
    scale = size / side
    pixels, device = int(half * scale + 0.5), device_of(generator)
    for axis in (2, 3):
        # The place stays on the device: to read it would make the host wait for all before it.
        drawn = torch.randint(0, side - half + 1, (), generator=generator, device=device)
        first = drawn.to(maps.device)
        start = (first * scale + 0.5).long().clamp_max(size - pixels)
        maps = maps.index_select(axis, first + torch.arange(half, device=maps.device))
        images = images.index_select(axis, start + torch.arange(pixels, device=maps.device))
    return maps, images


class Reconstruction(Part):
    """lambda (|G1(f1_part) - x_part| + |G2(f2) - x|) on D and its decoders G1 and G2.

    Liu et al. 2021, arXiv:2101.04775, section 3.2: real samples alone, as D is given them
    (augmented); f1 and f2 are D's inner maps of about 16 and 8 pixels a side, `part` a random
    quarter of f1 and of the image. Images are averaged down to what a decoder makes. The distance
    is ours: `reconstruction_loss` over `scales`, in the place of a perceptual one.
    """

    name = "reconstruction"
    signal_titles: ClassVar = {
        "rebuilt_part": "error of a rebuilt quarter of a real image",
        "rebuilt_whole": "error of rebuilt real images",
    }
    sides: ClassVar = ("on_d",)
    weight: float = Field(1.0, ge=0)
    scales: int = Field(3, ge=1, le=4)

    def incompatibility(self, recipe: Recipe) -> str | None:
        if recipe.networks.shows_maps:
            return None
        return "reconstruction wants a D that shows inner maps, and decoders: set networks=fastgan"

    def loss(self, context: StepContext) -> Tensor:
        images, f1, f2 = context.real_maps
        images = images.detach()
        part, place = same_part(f1, images, context.generator("reconstruction"))
        of_part = self._error(context.head("part_decoder", part), place)
        of_whole = self._error(context.head("decoder", f2), images)
        context.signals["rebuilt_part"] = of_part.detach()
        context.signals["rebuilt_whole"] = of_whole.detach()
        return self.weight * (of_part + of_whole)

    def _error(self, rebuilt: Tensor, images: Tensor) -> Tensor:
        wanted = adaptive_avg_pool2d(images, rebuilt.shape[-1])
        return reconstruction_loss(rebuilt.float(), wanted, scales=self.scales)
