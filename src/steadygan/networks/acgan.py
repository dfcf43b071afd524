"""AC-GAN's networks: G takes a class, D does not, and a head on D's features predicts it.

Odena et al. 2017, arXiv:1610.09585, appendix A, table 2 (CIFAR-10, 32x32).
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
from steadygan.networks.labels import split_class


class ClassedGenerator(nn.Module):
    """G(z ++ one-hot y): latents (B, n + 1) with the class at the end -> images. The rows of the
    first layer that a one-hot vector would select are an embedding."""

    def __init__(self, latent_dim: int, classes: int, flat: int, layers: nn.Sequential) -> None:
        super().__init__()
        self.noise = nn.Linear(latent_dim, flat)
        self.label = nn.Embedding(classes, flat)
        self.layers = layers
        nn.init.normal_(self.label.weight, 0.0, 0.02)

    def forward(self, latent: Tensor) -> Tensor:
        noise, classes = split_class(latent)
        return self.layers(self.noise(noise) + self.label(classes))


class ACGANNetworks(Networks):
    """G: FC, then 5x5 transposed convolutions; D: six 3x3 convolutions, every other of stride 2.

    `width` is the channels of G next to the image (96), doubled by each stage away: three stages up
    to 32 px, four above. `d_width` is the channels of D's first convolution (16), doubled by each
    of the six, each followed by dropout of `drop_rate`. D's features feed score and class head.
    """

    name = "acgan"
    g_takes_classes = True
    width: int = Field(96, ge=1, le=1024)
    d_width: int = Field(16, ge=1, le=1024)
    drop_rate: float = Field(0.5, ge=0, lt=1)

    @property
    def reads_classes(self) -> bool:
        return True

    def build(self, shape: Shape, latent_dim: int, codes: Codes = NO_CODES) -> Built:
        features, discriminator = self.discriminator(shape)
        networks = {
            "generator": self.generator(shape, latent_dim, codes.classes),
            "discriminator": discriminator,
            "classifier": nn.Linear(features, codes.classes),
        }
        for network in networks.values():
            init_normal(network)
        return networks

    def generator(self, shape: Shape, latent_dim: int, classes: int) -> ClassedGenerator:
        stages = 3 if shape[1] <= 32 else 4
        sizes = feature_sizes(shape[1], stages)[::-1]
        channels = [self.width * 2**i for i in reversed(range(stages))]
        flat = channels[0] * sizes[0] ** 2
        layers: list[nn.Module] = [
            nn.Unflatten(1, (channels[0], sizes[0], sizes[0])), nn.ReLU(inplace=True)
        ]  # fmt: skip
        for i in range(stages - 1):
            layers.append(double_conv(channels[i], channels[i + 1], 5, sizes[i], sizes[i + 1]))
            layers += [nn.BatchNorm2d(channels[i + 1]), nn.ReLU(inplace=True)]
        layers += [double_conv(channels[-1], shape[0], 5, sizes[-2], sizes[-1]), nn.Tanh()]
        return ClassedGenerator(latent_dim, classes, flat, nn.Sequential(*layers))

    def discriminator(self, shape: Shape) -> tuple[int, Discriminator]:
        """The width of D's features and D; the first convolution has no batch norm."""
        sizes = feature_sizes(shape[1], 3)
        channels = [shape[0], *(self.d_width * 2**i for i in range(6))]
        layers: list[nn.Module] = []
        for i in range(6):
            if i % 2 == 0:
                layers.append(down_conv(channels[i], channels[i + 1], 3, sizes[i // 2]))
            else:
                layers.append(nn.Conv2d(channels[i], channels[i + 1], 3, padding=1))
            if i > 0:
                layers.append(nn.BatchNorm2d(channels[i + 1]))
            layers += [nn.LeakyReLU(0.2, inplace=True), nn.Dropout(self.drop_rate)]
        features = channels[-1] * sizes[-1] ** 2
        trunk = nn.Sequential(*layers, nn.Flatten())
        return features, Discriminator(trunk, nn.Linear(features, 1))
