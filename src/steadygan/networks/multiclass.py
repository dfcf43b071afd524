"""Conditional networks for thousands of classes: each reads its label through a linear map.

Mao et al. 2017, arXiv:1611.04076, section 3.3, in the sizes of the authors' code: 9,417,857
parameters in G and 21,392,155 in D for 3,740 classes of 28x28x1 and z of 1,024 numbers. Images
here end in tanh where theirs end in a sigmoid.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from steadygan.networks.base import (
    NO_CODES,
    Built,
    Codes,
    Networks,
    Shape,
    double_conv,
    down_conv,
    feature_sizes,
    init_normal,
)  # fmt: skip
from steadygan.networks.labels import LabelledConv, LabelMap, split_class


class LabelledGenerator(nn.Module):
    """G(z ++ map(y)): latents (B, n + 1) with the class at the end -> images."""

    def __init__(self, labels: LabelMap, layers: nn.Sequential) -> None:
        super().__init__()
        self.labels = labels
        self.layers = layers

    def forward(self, latent: Tensor) -> Tensor:
        noise, classes = split_class(latent)
        return self.layers(torch.cat([noise, self.labels(classes)], 1))


class LabelledDiscriminator(nn.Module):
    """C(x | map(y)): the mapped label joins as constant maps of the second convolution, and again
    before each fully connected layer. Its features (B, hidden + label_dim) end in the label's."""

    def __init__(
        self, labels: LabelMap, channels: list[int], sizes: list[int], hidden: int, norm: bool,
        kernel: int,
    ) -> None:  # fmt: skip
        super().__init__()
        extra = labels.rows.embedding_dim
        self.labels = labels
        self.first = down_conv(channels[0], channels[1], kernel, sizes[0])
        self.second = LabelledConv(channels[1], extra, channels[2], kernel, sizes[1])
        later = [*normed(nn.BatchNorm2d(channels[2]), norm), nn.LeakyReLU(0.2, inplace=True)]
        for i in range(2, len(sizes) - 1):
            later.append(down_conv(channels[i], channels[i + 1], kernel, sizes[i]))
            later += normed(nn.BatchNorm2d(channels[i + 1]), norm)
            later.append(nn.LeakyReLU(0.2, inplace=True))
        self.later = nn.Sequential(*later, nn.Flatten())
        flat = channels[-1] * sizes[-1] ** 2
        self.joint = nn.Sequential(
            nn.Linear(flat + extra, hidden),
            *normed(nn.BatchNorm1d(hidden), norm),
            nn.LeakyReLU(0.2, inplace=True),
        )
        self.head = nn.Linear(hidden + extra, 1)

    def features(self, x: Tensor, labels: Tensor) -> Tensor:
        condition = self.labels(labels)
        maps = nn.functional.leaky_relu(self.first(x), 0.2)
        maps = self.later(self.second(maps, condition))
        return torch.cat([self.joint(torch.cat([maps, condition], 1)), condition], 1)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        return self.head(self.features(x, labels))


def normed(layer: nn.Module, norm: bool) -> list[nn.Module]:
    return [layer] if norm else []


class MulticlassNetworks(Networks):
    """G: FC, then transposed convolutions; D: convolutions, FC `hidden`, FC.

    `label_dim` is what a label is mapped to, by a map of its own in G and in D. `width` is the
    channels of D's second convolution before the label adds its `label_dim`, and half of those
    inside G. Images of up to 32 px are halved twice, larger ones down to 8 px. `g_norm` and
    `d_norm` can leave batch normalisation out, as the paper's experiments on stability do.
    """

    name = "multiclass"
    g_takes_classes = True
    d_takes_classes = True
    width: int = Field(64, ge=1, le=1024)
    hidden: int = Field(1024, ge=1, le=65536)
    label_dim: int = Field(256, ge=1, le=65536)
    kernel: int = Field(5, ge=3, le=7)
    g_norm: Literal["batch", "none"] = "batch"
    d_norm: Literal["batch", "none"] = "batch"

    def build(self, shape: Shape, latent_dim: int, codes: Codes = NO_CODES) -> Built:
        networks = {
            "generator": self.generator(shape, latent_dim, codes.classes),
            "discriminator": self.discriminator(shape, codes.classes),
        }
        for network in networks.values():
            init_normal(network)
        return networks

    def sizes_for(self, size: int) -> list[int]:
        """The image's sides from `size` down to 8 or less, in two halvings or more."""
        times = 2
        while feature_sizes(size, times)[-1] > 8:
            times += 1
        return feature_sizes(size, times)

    def generator(self, shape: Shape, latent_dim: int, classes: int) -> LabelledGenerator:
        sizes = self.sizes_for(shape[1])[::-1]
        inside = 2 * self.width
        flat = inside * sizes[0] ** 2
        norm = self.g_norm == "batch"
        layers: list[nn.Module] = [
            nn.Linear(latent_dim + self.label_dim, flat),
            *normed(nn.BatchNorm1d(flat), norm),
            nn.ReLU(inplace=True),
            nn.Unflatten(1, (inside, sizes[0], sizes[0])),
        ]
        for i in range(len(sizes) - 2):
            layers.append(double_conv(inside, inside, self.kernel, sizes[i], sizes[i + 1]))
            layers += [*normed(nn.BatchNorm2d(inside), norm), nn.ReLU(inplace=True)]
        layers += [double_conv(inside, shape[0], self.kernel, sizes[-2], sizes[-1]), nn.Tanh()]
        return LabelledGenerator(LabelMap(classes, self.label_dim), nn.Sequential(*layers))

    def discriminator(self, shape: Shape, classes: int) -> LabelledDiscriminator:
        sizes = self.sizes_for(shape[1])
        later = [self.width * 2**i + self.label_dim for i in range(len(sizes) - 2)]
        channels = [shape[0], shape[0] + self.label_dim, *later]
        labels = LabelMap(classes, self.label_dim)
        norm = self.d_norm == "batch"
        return LabelledDiscriminator(labels, channels, sizes, self.hidden, norm, self.kernel)
