"""Sharpness of 8-bit images: edge measures on grey values 0..255.

`sobel`, the default, is the mean length of the Sobel gradient. The others are known from
autofocus: `tenengrad` its mean square, `laplacian` the variance of the 4-neighbour Laplacian,
`brenner` the mean squared difference of pixels two apart, `gradient` the root mean square of the
two forward differences, `smd` the mean of their summed sizes, `smd2` of their product, `eog` of
their summed squares, `variance` that of the grey values.

Colour is turned to grey by BT.601. Only positions whose whole neighbourhood lies inside the image
count: nothing is padded, so the image border makes no edge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from steadygan.errors import UserError, did_you_mean
from steadygan.metrics.distances import images_at_once

LUMA = (0.299, 0.587, 0.114)
BLOCK = 2000
DEFAULT = "sobel"


def grey(images: Tensor) -> Tensor:
    """uint8 images (N, C, H, W), C 1 or 3, as float64 (N, H, W) in 0..255."""
    if images.shape[1] == 1:
        return images[:, 0].double()
    weights = torch.tensor(LUMA, dtype=torch.float64)
    return torch.einsum("nchw,c->nhw", images.double(), weights)


def _sobel(x: Tensor) -> tuple[Tensor, Tensor]:
    down = x[:, :-2] + 2 * x[:, 1:-1] + x[:, 2:]
    across = x[..., :-2] + 2 * x[..., 1:-1] + x[..., 2:]
    return down[..., 2:] - down[..., :-2], across[:, 2:] - across[:, :-2]


def _differences(x: Tensor) -> tuple[Tensor, Tensor]:
    here = x[:, :-1, :-1]
    return x[:, :-1, 1:] - here, x[:, 1:, :-1] - here


def _mean(values: Tensor) -> Tensor:
    return values.mean((1, 2))


def _variance(values: Tensor) -> Tensor:
    return values.var((1, 2), correction=0)


def _laplacian(x: Tensor) -> Tensor:
    sides = x[:, :-2, 1:-1] + x[:, 2:, 1:-1] + x[:, 1:-1, :-2] + x[:, 1:-1, 2:]
    return sides - 4 * x[:, 1:-1, 1:-1]


def _squares(pair: tuple[Tensor, Tensor]) -> Tensor:
    return pair[0].square() + pair[1].square()


def _sizes(pair: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    return pair[0].abs(), pair[1].abs()


#: Grey values (N, H, W) to one number an image, (N,).
KINDS: dict[str, Callable[[Tensor], Tensor]] = {
    "sobel": lambda x: _mean(_squares(_sobel(x)).sqrt()),
    "tenengrad": lambda x: _mean(_squares(_sobel(x))),
    "laplacian": lambda x: _variance(_laplacian(x)),
    "brenner": lambda x: _mean((x[..., 2:] - x[..., :-2]).square()),
    "gradient": lambda x: _mean((_squares(_differences(x)) / 2).sqrt()),
    "smd": lambda x: _mean(torch.add(*_sizes(_differences(x)))),
    "smd2": lambda x: _mean(torch.mul(*_sizes(_differences(x)))),
    "eog": lambda x: _mean(_squares(_differences(x))),
    "variance": _variance,
}


def find_kind(name: str) -> Callable[[Tensor], Tensor]:
    """The measure called `name`, or a `UserError` that names the nearest."""
    if name not in KINDS:
        raise UserError(f"--sharpness {name}: unknown{did_you_mean(name, KINDS)}")
    return KINDS[name]


def sharpness(images: np.ndarray, kind: str = DEFAULT) -> Tensor:
    """The sharpness of each of uint8 images (N, C, H, W), float64 (N,)."""
    measure = find_kind(kind)
    return torch.cat([measure(grey(block)) for block in _blocks(images)])


def _blocks(images: np.ndarray) -> Iterator[Tensor]:
    step = images_at_once(images, BLOCK)
    for start in range(0, len(images), step):
        yield torch.from_numpy(np.array(images[start : start + step]))
