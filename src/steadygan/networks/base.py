"""The interface of every family of networks, and the layers they share."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from steadygan.networks.strided import StridedConv, StridedConvTranspose, products_pay
from steadygan.spec import Spec

Shape = tuple[int, ...]
Built = dict[str, nn.Module]
#: A layer with a weight and perhaps a bias.
Weighted = TypeVar("Weighted", bound=nn.Linear | nn.Conv2d)


@contextmanager
def without_memory() -> Iterator[None]:
    """Within, modules are built on torch's "meta" device: they have shapes alone. A pretrained
    network, whose weights have no place there, is built without a warning."""
    with torch.device("meta"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "for .* copying from a non-meta parameter")
        yield


class Codes(NamedTuple):
    """What a latent holds beside noise: `categories` (one-hot) and `continuous` codes are part of
    `latent_dim`; with `classes` above 0 a class index comes after it (`with_class`)."""

    categories: int = 0
    continuous: int = 0
    classes: int = 0


NO_CODES = Codes()


class Networks(Spec):
    """A family of generators and discriminators, built for a data shape.

    A generator maps latents (B, latent_dim) to images (B, C, H, W) in [-1, 1] (tanh), or to
    vectors (B, n); where it takes classes, latents (B, latent_dim + 1) with the class at the end. A
    discriminator maps samples (and labels (B,), where it takes classes) to raw scores (B,) or
    (B, 1). Where it has `features(x)` and `head(features)`, or `judge(x)` that gives features and
    scores, parts can use its features without a second forward; `judge` may give inner maps after
    them (`shows_maps`).
    """

    #: True where the generator reads a class from its latents, and the discriminator labels.
    g_takes_classes: ClassVar[bool] = False
    d_takes_classes: ClassVar[bool] = False
    #: True where the discriminator scores pairs of a sample and a latent (B, latent_dim).
    d_takes_latents: ClassVar[bool] = False
    #: True where the discriminator gives errors, 0 or more (an auto-encoder), or may do so.
    d_gives_errors: ClassVar[bool] = False
    #: True where the discriminator's features are the scores (B, heads) of several heads.
    d_scores_heads: ClassVar[bool] = False
    #: True where the discriminator scores its features by a module `head`, or may do so.
    d_has_head: ClassVar[bool] = True

    #: Image sides this family builds for; the tests build each.
    sizes: ClassVar[tuple[int, ...]] = (28, 32, 64)

    def incompatibility(self, shape: Shape) -> str | None:
        """Why no network of this family can be built for `shape`, and what to do; or None."""
        if len(shape) != 3:
            return f"'{self.name}' networks make images, not vectors"
        if shape[1] != shape[2]:
            return f"'{self.name}' networks make square images, not {shape[1]}x{shape[2]}"
        if not 16 <= shape[1] <= 512:
            return f"'{self.name}' networks make 16 to 512 pixels, not {shape[1]}: set size="
        return None

    @property
    def reads_codes(self) -> bool:
        """True where `build` makes the "q" that reads codes back from D's features."""
        return False

    @property
    def reads_classes(self) -> bool:
        """True where `build` makes the "classifier" that reads classes from D's features."""
        return False

    @property
    def shows_maps(self) -> bool:
        """True where D's `judge` gives features, scores, its input and two inner maps, and `build`
        makes the "part_decoder" and the "decoder" that rebuild images from them."""
        return False

    def build(self, shape: Shape, latent_dim: int, codes: Codes = NO_CODES) -> Built:
        """{"generator": ..., "discriminator": ..., more networks that D's optimizer updates};
        "encoder" is updated by G's."""
        raise NotImplementedError


class Discriminator(nn.Module):
    """A trunk that makes features and a head that scores them."""

    def __init__(self, trunk: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = head

    def features(self, x: Tensor) -> Tensor:
        return self.trunk(x)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))


def feature_sizes(size: int, times: int) -> list[int]:
    """`size` halved `times` times, rounding up: 28 -> [28, 14, 7, 4, 2]."""
    sizes = [size]
    for _ in range(times):
        sizes.append(math.ceil(sizes[-1] / 2))
    return sizes


def down_conv(channels: int, out: int, kernel: int, size: int, bias: bool = True) -> nn.Conv2d:
    """A stride-2 convolution from `size` to ceil(size / 2) pixels, for any kernel >= 3."""
    padding = halving_padding(kernel, size)
    wide = products_pay(math.ceil(size / 2), channels * out * kernel**2)
    kind = StridedConv if wide else nn.Conv2d
    return kind(channels, out, kernel, stride=2, padding=padding, bias=bias)


def halving_padding(kernel: int, size: int) -> int:
    """The padding of a stride-2 convolution from `size` to ceil(size / 2) pixels."""
    total = (math.ceil(size / 2) - 1) * 2 + kernel - size
    return math.ceil(total / 2)


def double_conv(
    channels: int, out: int, kernel: int, size: int, target: int, bias: bool = True
) -> nn.ConvTranspose2d:
    """A stride-2 transposed convolution from `size` to `target` pixels (2 size or 2 size - 1)."""
    total = (size - 1) * 2 + kernel - target
    padding = math.ceil(total / 2)
    wide = products_pay(size, channels * out * kernel**2)
    kind = StridedConvTranspose if wide else nn.ConvTranspose2d
    return kind(
        channels, out, kernel, stride=2, padding=padding, output_padding=2 * padding - total,
        bias=bias,
    )  # fmt: skip


@torch.no_grad()
def init_normal(module: nn.Module, std: float = 0.02) -> None:
    """Weights N(0, std), biases 0, batch-norm scale 1: DCGAN section 3, as in DCGAN-TF."""
    for layer in module.modules():
        if isinstance(layer, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(layer.weight, 0.0, std)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
