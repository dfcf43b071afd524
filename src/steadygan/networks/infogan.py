"""InfoGAN's networks: a discriminator whose trunk also feeds Q, which reads the codes back.

Chen et al. 2016, arXiv:1606.03657, appendix C.1 (MNIST) and C.2 (colour).
"""

from __future__ import annotations

from pydantic import Field
from torch import Tensor, nn

from steadygan.networks.base import (
    NO_CODES,
    Built,
    Codes,
    Discriminator,
    Networks,
    Shape,
    double_conv,
    down_conv,
    feature_sizes,
    init_normal,
)  # fmt: skip


class QHead(nn.Module):
    """Q(c | x) from D's features (B, n): category logits (B, K) and code means (B, m).

    The continuous codes are read as N(mean, 1): the variance is fixed, as in the authors' code.
    """

    def __init__(self, features: int, hidden: int, categories: int, continuous: int) -> None:
        super().__init__()
        self.categories = categories
        self.layers = nn.Sequential(
            nn.Linear(features, hidden),
            nn.BatchNorm1d(hidden),
            nn.LeakyReLU(0.1, inplace=True),
            nn.Linear(hidden, categories + continuous),
        )

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        out = self.layers(features)
        return out[:, : self.categories], out[:, self.categories :]


class InfoGANNetworks(Networks):
    """Grey images up to 32 px: two stages from `hidden` units (C.1); others: four or three (C.2).

    `width` is the channels of the stage next to the image. Categories and codes are those of the
    recipe's coded prior.
    """

    name = "infogan"
    width: int = Field(64, ge=1, le=1024)
    hidden: int = Field(1024, ge=1, le=65536)
    q_hidden: int = Field(128, ge=1, le=65536)

    @property
    def reads_codes(self) -> bool:
        return True

    def build(self, shape: Shape, latent_dim: int, codes: Codes = NO_CODES) -> Built:
        if not codes[0]:
            raise ValueError("'infogan' networks want prior=coded: there is no code to read")
        grey = shape[0] == 1 and shape[1] <= 32
        features, discriminator = self.discriminator(shape, grey)
        networks = {
            "generator": self.generator(shape, latent_dim, grey),
            "discriminator": discriminator,
            "q": QHead(features, self.q_hidden, *codes[:2]),
        }
        for network in networks.values():
            init_normal(network)
        return networks

    def generator(self, shape: Shape, latent_dim: int, grey: bool) -> nn.Sequential:
        """C.1: FC 1024, FC 7*7*128, 64, image. C.2: FC 2*2*448, 256, 128, 64, image."""
        stages = 2 if grey else 4
        sizes = feature_sizes(shape[1], stages)[::-1]
        channels = [2 * self.width, self.width] if grey else [7 * self.width, 4 * self.width]
        channels += [] if grey else [2 * self.width, self.width]
        layers: list[nn.Module] = []
        if grey:
            layers += [nn.Linear(latent_dim, self.hidden), nn.BatchNorm1d(self.hidden)]
            layers.append(nn.ReLU(inplace=True))
        flat = channels[0] * sizes[0] ** 2
        layers += [nn.Linear(self.hidden if grey else latent_dim, flat)]
        layers += [nn.BatchNorm1d(flat), nn.ReLU(inplace=True)]
        layers.append(nn.Unflatten(1, (channels[0], sizes[0], sizes[0])))
        for i in range(stages - 1):
            layers.append(double_conv(channels[i], channels[i + 1], 4, sizes[i], sizes[i + 1]))
            layers += [nn.BatchNorm2d(channels[i + 1])] if grey or i == 0 else []
            layers.append(nn.ReLU(inplace=True))
        return nn.Sequential(
            *layers, double_conv(channels[-1], shape[0], 4, sizes[-2], sizes[-1]), nn.Tanh()
        )

    def discriminator(self, shape: Shape, grey: bool) -> tuple[int, Discriminator]:
        """The width of D's features and D; the first stage has no batch norm."""
        stages = 2 if grey else 3
        sizes = feature_sizes(shape[1], stages)
        channels = [shape[0], *(self.width * 2**i for i in range(stages))]
        layers: list[nn.Module] = []
        for i in range(stages):
            layers.append(down_conv(channels[i], channels[i + 1], 4, sizes[i]))
            if i > 0:
                layers.append(nn.BatchNorm2d(channels[i + 1]))
            layers.append(nn.LeakyReLU(0.1, inplace=True))
        layers.append(nn.Flatten())
        features = channels[-1] * sizes[-1] ** 2
        if grey:
            layers += [nn.Linear(features, self.hidden), nn.BatchNorm1d(self.hidden)]
            layers.append(nn.LeakyReLU(0.1, inplace=True))
            features = self.hidden
        return features, Discriminator(nn.Sequential(*layers), nn.Linear(features, 1))
