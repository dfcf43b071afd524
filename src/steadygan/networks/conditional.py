"""The first conditional networks: fully connected, with the class as a second input of both.

Mirza & Osindero 2014, arXiv:1411.1784, section 4.1 (MNIST).
"""

from __future__ import annotations

import math

import torch
from pydantic import Field
from torch import Tensor, nn

from steadygan.networks.base import NO_CODES, Built, Codes, Networks, Shape
from steadygan.networks.labels import LabelMap, split_class
from steadygan.networks.mlp import Maxout
from steadygan.networks.multiclass import MulticlassNetworks

#: The initial scale of a label's units. Those of z ~ U(-1, 1)^n have a spread of 1/3: on digits,
#: labels of that scale made G ignore z, and ten times smaller ones had no effect in the first 800
#: steps.
LABEL_STD = 0.2


class ConditionalGenerator(nn.Module):
    """z and y through a ReLU layer each, then a joint one: latents (B, n + 1) -> images."""

    def __init__(
        self, latent_dim: int, classes: int, widths: tuple[int, int, int], shape: Shape, drop: float
    ) -> None:
        super().__init__()
        of_noise, of_label, joint = widths
        self.noise = nn.Linear(latent_dim, of_noise)
        self.label = LabelMap(classes, of_label, LABEL_STD)
        self.joint = nn.Sequential(
            nn.ReLU(inplace=True), nn.Dropout(drop),
            nn.Linear(of_noise + of_label, joint), nn.ReLU(inplace=True), nn.Dropout(drop),
            nn.Linear(joint, math.prod(shape)), nn.Tanh(), nn.Unflatten(1, shape),
        )  # fmt: skip

    def forward(self, latent: Tensor) -> Tensor:
        noise, classes = split_class(latent)
        return self.joint(torch.cat([self.noise(noise), self.label(classes)], 1))


class ConditionalDiscriminator(nn.Module):
    """x and y through a maxout layer each, then a joint one: images and labels -> scores."""

    def __init__(
        self, shape: Shape, classes: int, widths: tuple[int, int], pieces: int, drop: float
    ) -> None:
        super().__init__()
        of_image, of_label = widths
        self.image = nn.Sequential(nn.Flatten(), Maxout(math.prod(shape), of_image, pieces))
        self.label = nn.Sequential(
            LabelMap(classes, of_label * pieces, LABEL_STD), nn.Unflatten(1, (of_label, pieces))
        )
        self.joint = nn.Sequential(
            nn.Dropout(drop), Maxout(of_image + of_label, of_image, max(pieces - 1, 1)),
            nn.Dropout(drop),
        )  # fmt: skip
        self.head = nn.Linear(of_image, 1)

    def features(self, x: Tensor, labels: Tensor) -> Tensor:
        return self.joint(torch.cat([self.image(x), self.label(labels).amax(2)], 1))

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        return self.head(self.features(x, labels))


class ConditionalNetworks(Networks):
    """Grey images up to 32 px: the paper's fully connected nets; others: convolutional ones.

    `dense` true or false selects one or the other at any size. Fully connected: G maps z to
    `z_width` and y to `y_width` units, both to `g_width`; D maps x to `d_width` and y to
    `d_y_width` maxout units of `d_pieces` pieces, both to `d_width` of one piece less; dropout of
    `g_drop_rate` and `d_drop_rate` on hidden layers. Convolutional: `MulticlassNetworks` of
    `width`, `hidden`, `label_dim` and `kernel`.
    """

    name = "cgan"
    g_takes_classes = True
    d_takes_classes = True
    dense: bool | None = None
    z_width: int = Field(200, ge=1, le=65536)
    y_width: int = Field(1000, ge=1, le=65536)
    g_width: int = Field(1200, ge=1, le=65536)
    d_width: int = Field(240, ge=1, le=65536)
    d_y_width: int = Field(50, ge=1, le=65536)
    d_pieces: int = Field(5, ge=1, le=64)
    g_drop_rate: float = Field(0.5, ge=0, lt=1)
    d_drop_rate: float = Field(0.5, ge=0, lt=1)
    width: int = Field(64, ge=1, le=1024)
    hidden: int = Field(1024, ge=1, le=65536)
    label_dim: int = Field(32, ge=1, le=65536)
    kernel: int = Field(5, ge=3, le=7)

    def build(self, shape: Shape, latent_dim: int, codes: Codes = NO_CODES) -> Built:
        grey = shape[0] == 1 and shape[1] <= 32
        if not (grey if self.dense is None else self.dense):
            convolutional = MulticlassNetworks(
                width=self.width,
                hidden=self.hidden,
                label_dim=self.label_dim,
                kernel=self.kernel,
            )
            return convolutional.build(shape, latent_dim, codes)
        of_g = (self.z_width, self.y_width, self.g_width)
        of_d = (self.d_width, self.d_y_width)
        return {
            "generator": ConditionalGenerator(
                latent_dim, codes.classes, of_g, shape, self.g_drop_rate
            ),
            "discriminator": ConditionalDiscriminator(
                shape, codes.classes, of_d, self.d_pieces, self.d_drop_rate
            ),
        }
