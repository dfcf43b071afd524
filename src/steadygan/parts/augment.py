"""Differentiable augmentation of images (B, C, H, W): `diffaugment`, and what `consistency` uses.

Every function draws one transformation a sample and keeps shape and graph.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from steadygan.game.draws import integers, one_per_sample
from steadygan.game.part import Part

if TYPE_CHECKING:
    from steadygan.game.context import Kind, StepContext

Border = Literal["zero", "edge"]
Policy = Literal["color", "translation", "cutout"]


def jittered(images: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Brightness + U(-.5, .5), then saturation * U(0, 2) about each pixel's mean over channels,
    then contrast * U(.5, 1.5) about the image's mean. Not clipped to [-1, 1]."""
    added = one_per_sample(images, generator) - 0.5
    saturation = 2.0 * one_per_sample(images, generator)
    contrast = 0.5 + one_per_sample(images, generator)
    # Together they are linear in the image's mean, a pixel's mean over channels, and the pixel.
    grey = images.mean(1, keepdim=True)
    result = torch.addcmul(added, 1 - contrast, grey.mean((2, 3), keepdim=True))
    result = torch.addcmul(result, contrast * (1 - saturation), grey)
    return torch.addcmul(result, contrast * saturation, images)


def shifted(
    images: Tensor, most: tuple[int, int], border: Border, generator: torch.Generator | None = None
) -> Tensor:
    """Each image moved by whole pixels, uniform in -most..most down and right. What comes in is 0,
    or the pixel at the edge."""
    height, width = images.shape[2:]
    rows, rows_in = _sources(images, height, most[0], generator)
    columns, columns_in = _sources(images, width, most[1], generator)
    places = (width * rows[:, :, None] + columns[:, None, :]).flatten(1)[:, None]
    flat = images.flatten(2)
    moved = flat.gather(2, places.expand_as(flat)).view(images.shape)
    if border == "edge":
        return moved
    return moved * (rows_in[:, :, None] & columns_in[:, None, :])[:, None]


def _sources(
    images: Tensor, length: int, most: int, generator: torch.Generator | None
) -> tuple[Tensor, Tensor]:
    """From which row (or column) each of `length` comes, (B, length), and whether it is inside."""
    shift = integers(-most, most + 1, (len(images), 1), generator)
    source = (torch.arange(length, device=shift.device) - shift).to(images.device)
    return source.clamp(0, length - 1), (source >= 0) & (source < length)


def cut_out(images: Tensor, share: float, generator: torch.Generator | None = None) -> Tensor:
    """A box of `share` of height and width set to 0, its centre anywhere in the image."""
    hooks = []
    for length in images.shape[2:]:
        box = int(share * length + 0.5)
        centre = integers(0, length + 1 - box % 2, (len(images), 1), generator)
        first = centre - box // 2
        place = torch.arange(length, device=first.device)
        hooks.append(((place < first) | (place >= first + box)).to(images.device))
    rows, columns = hooks
    return images * (rows[:, :, None] | columns[:, None, :])[:, None]


def mirrored(images: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Each image flipped left to right with probability 1/2."""
    return torch.where(one_per_sample(images, generator) < 0.5, images.flip(3), images)


def diff_augment(
    images: Tensor,
    generator: torch.Generator | None = None,
    *,
    policy: tuple[Policy, ...] = ("color", "translation", "cutout"),
) -> Tensor:
    """Zhao et al. 2020, arXiv:2006.10738, section 4: color, a shift by up to 1/8 of the size over
    zeros, and a cutout of half the size, in that order."""
    height, width = images.shape[2:]
    images = images.contiguous()  # with channels last, what is one number a sample is slow
    if "color" in policy:
        images = jittered(images, generator)
    if "translation" in policy:
        most = (int(height / 8 + 0.5), int(width / 8 + 0.5))
        images = shifted(images, most, "zero", generator)
    return cut_out(images, 0.5, generator) if "cutout" in policy else images


class ImageTrick(Part):
    """Base of parts that move pixels: they want images."""

    def incompatibility_with_data(self, shape: tuple[int, ...]) -> str | None:
        if len(shape) == 3:
            return None
        return f"{self.name} moves pixels: it wants images, and the data are vectors"


class DiffAugment(ImageTrick):
    """L(D(T(x)), D(T(G(z)))) in the updates of both players, T differentiable.

    Zhao et al. 2020, arXiv:2006.10738, section 3.3: augmenting real samples alone would teach G the
    augmentation, and augmenting in D's update alone leaves G another task than D. `policy` is
    the authors' for small data; drop a kind where it changes what an image says. What is shifted in
    or cut out is 0, mid-grey, as in the authors' code. Penalties look at samples as they are.
    """

    name = "diffaugment"
    sides: ClassVar = ("shared",)
    policy: tuple[Policy, ...] = Field(("color", "translation", "cutout"), min_length=1)

    def augment(self, context: StepContext, samples: Tensor, kind: Kind) -> Tensor:
        return diff_augment(samples, context.generator(f"diffaugment {kind}"), policy=self.policy)


def consistency_loss(scores: Tensor, transformed_scores: Tensor) -> Tensor:
    """E (D(x) - D(T(x)))^2 of raw scores (B,). Zhang et al. 2020, section 2, unweighted."""
    return (scores - transformed_scores).square().mean()


class Consistency(ImageTrick):
    """CR-GAN: lambda E (D(x) - D(T(x)))^2 on real samples, in D's update.

    Zhang et al. 2020, arXiv:1910.12027, section 2, on the last layer's output alone with
    lambda = 10. T there is a flip left to right and a shift by a few pixels; here it is a shift by
    up to `shift` pixels (how many, and what comes in at the edge, is ours), and flips come with
    `flip=true`, since mirrored digits and characters are no such.
    """

    name = "consistency"
    sides: ClassVar = ("on_d",)
    weight: float = Field(10.0, ge=0)
    shift: int = Field(4, ge=0, le=64)
    flip: bool = False

    def transformed(self, images: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """T(x), shape of `images`."""
        if self.flip:
            images = mirrored(images, generator)
        return shifted(images, (self.shift, self.shift), "edge", generator)

    def loss(self, context: StepContext) -> Tensor:
        moved = self.transformed(context.real, context.generator("consistency"))
        return self.weight * consistency_loss(context.real_scores, context.critic(moved))
