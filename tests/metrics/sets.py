"""Small sets of images and a feature network that is quick and known."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image

from steadygan.data import Dataset, DataSettings, Split
from steadygan.features.cached import digest_of
from steadygan.features.extract import Extractor

SIDE = 12


def lines(count: int, seed: int, channels: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """uint8 images (count, C, 12, 12) of a bright row (class 0) or column (class 1) in noise."""
    random = np.random.default_rng(seed)
    classes = np.arange(count) % 2
    images = random.integers(0, 120, (count, channels, SIDE, SIDE), dtype=np.uint8)
    for image, kind, at in zip(images, classes, random.integers(0, SIDE, count), strict=True):
        image[:, (at if kind == 0 else slice(None)), (slice(None) if kind == 0 else at)] = 250
    return images, classes.astype(np.int64)


def dataset(train: int = 400, test: int = 200, labels: bool = True, channels: int = 1) -> Dataset:
    """Lines as a data set; its fingerprint moves with what is asked for."""
    parts = []
    for count, seed in ((train, 0), (test, 1)):
        images, classes = lines(count, seed, channels)
        parts.append(Split(images, classes if labels else None))
    return Dataset(
        name="lines", spec="lines", shape=(channels, SIDE, SIDE), train=parts[0], test=parts[1],
        class_names=("row", "column") if labels else None,
        fingerprint=f"lines {train} {test} {labels} {channels}", quarantine=(),
        settings=DataSettings(size=SIDE, channels=channels),
    )  # fmt: skip


class Projected(torch.nn.Module):
    """Features by a fixed random matrix; counts the images it has seen."""

    def __init__(self, channels: int = 1, dimension: int = 8, seed: int = 0) -> None:
        super().__init__()
        random = torch.Generator().manual_seed(seed)
        pixels = channels * SIDE * SIDE
        self.matrix = torch.nn.Parameter(torch.randn(pixels, dimension, generator=random) / 10)
        self.seen = 0

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        self.seen += len(images)
        features = images.flatten(1) @ self.matrix
        return features, features[:, :2]


def extractor(
    channels: int = 1, dimension: int = 8, seed: int = 0, classes: bool = False
) -> Extractor:
    network = Projected(channels, dimension, seed).requires_grad_(False)
    digest = digest_of(network.state_dict(), "projected")
    accuracy = 0.5 if classes else None
    return Extractor("projected", network, dimension, digest, "none", accuracy)


def as_folder(path, images, classes=None):
    """Images as PNG files, in a folder a class where there are classes."""
    for row, image in enumerate(images):
        home = path if classes is None else path / ("row", "column")[classes[row]]
        home.mkdir(parents=True, exist_ok=True)
        planes = image[0] if len(image) == 1 else image.transpose(1, 2, 0)
        Image.fromarray(planes).save(home / f"{row:04d}.png")
    return path
