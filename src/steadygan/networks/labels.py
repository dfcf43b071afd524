"""Class labels in latents and networks, without ever building a batch of one-hot vectors."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, unfold

from steadygan.networks.base import halving_padding


def with_class(latent: Tensor, classes: Tensor) -> Tensor:
    """Latents (B, n) with classes (B,) int64 as a last column, (B, n + 1)."""
    return torch.cat([latent, classes.to(latent)[:, None]], dim=1)


def split_class(latent: Tensor) -> tuple[Tensor, Tensor]:
    """Latents made by `with_class` taken apart: noise (B, n), classes (B,) int64."""
    return latent[:, :-1], latent[:, -1].round().long()


class LabelMap(nn.Module):
    """A linear map of one-hot labels with a bias, as rows of a table: (B,) int64 -> (B, dim).

    Weights N(0, std), biases 0; only the rows of classes in the batch get a gradient.
    """

    def __init__(self, classes: int, dim: int, std: float = 0.02) -> None:
        super().__init__()
        self.rows = nn.Embedding(classes, dim)
        self.bias = nn.Parameter(torch.zeros(dim))
        nn.init.normal_(self.rows.weight, 0.0, std)

    def forward(self, labels: Tensor) -> Tensor:
        return self.rows(labels) + self.bias


class LabelledConv(nn.Conv2d):
    """A convolution of stride 2 over maps (B, channels, s, s) ++ `extra` constant maps, whose
    values (B, extra) are given, one per map: (B, out, ceil(s / 2), ceil(s / 2)) for s = `size`.

    The constant maps are never built. All that such a map adds to a pixel is its value times the
    sum of the taps that fall inside the image there, so they cost only a small matrix product.
    """

    def __init__(self, channels: int, extra: int, out: int, kernel: int, size: int) -> None:
        self.around = halving_padding(kernel, size)
        super().__init__(channels + extra, out, kernel, stride=2, padding=self.around)
        self.split = [channels, extra]

    def forward(self, maps: Tensor, values: Tensor) -> Tensor:  # type: ignore[override]  # two inputs
        of_maps, of_values = self.weight.split(self.split, dim=1)
        kernel, padding = self.kernel_size, self.around
        made = conv2d(maps, of_maps, self.bias, stride=2, padding=padding)
        taps = torch.einsum("be,oet->bot", values, of_values.flatten(2))
        # (taps, pixels)
        inside = unfold(torch.ones_like(maps[:1, :1]), kernel, padding=padding, stride=2)[0]
        return made + (taps @ inside).unflatten(2, made.shape[2:])
