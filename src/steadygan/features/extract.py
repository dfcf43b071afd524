"""The features of distances: a network, its name and the hash of its weights.

A distance on other features is another number, so the name goes with it everywhere: FID-classifier,
FID-effnet-96, and plain FID for the published Inception weights alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from steadygan.data import Dataset
from steadygan.errors import UserError, did_you_mean
from steadygan.features import effnet, inception, stacked, weights
from steadygan.features.cached import digest_of
from steadygan.features.feature_classifier import (
    DIMENSION,
    feature_classifier_of,
    require_classes,
)
from steadygan.networks.pretrained import require_extra
from steadygan.training.inputs import as_played

Progress = Callable[[int, int], None]
NAMES = ("classifier", *effnet.SIDES, "inception")
#: Images a forward pass: larger networks take fewer.
BATCHES = {"classifier": 128, "effnet": 64, "inception": 32}


def quiet(done: int, total: int) -> None:
    """Progress that is not shown."""


@dataclass(frozen=True)
class Extractor:
    """A feature network: images (B, C, H, W) in [-1, 1] to features (B, dimension) and logits.

    `hash` is a hex sha256 over its weights and how images are resized. `accuracy` is that on the
    held-out part, where the network was trained on the data; its logits are then over the data's
    classes (over the triples of digits for stacked MNIST, and the accuracy that on single ones).
    """

    name: str
    network: nn.Module
    dimension: int
    hash: str
    resize: str
    accuracy: float | None = None

    @property
    def knows_classes(self) -> bool:
        return self.accuracy is not None

    def facts(self) -> dict[str, Any]:
        """What a result records of its features."""
        return {
            "features": self.name,
            "feature_dimension": self.dimension,
            "feature_hash": self.hash,
            "feature_accuracy": self.accuracy,
            "resize": self.resize,
        }


@dataclass(frozen=True)
class Features:
    """Features (N, d) and class probabilities (N, K) of images, float32 on the CPU."""

    values: Tensor
    probabilities: Tensor

    def __len__(self) -> int:
        return len(self.values)

    def rows(self, chosen: Tensor | np.ndarray) -> Features:
        chosen = torch.as_tensor(chosen)
        return Features(self.values[chosen], self.probabilities[chosen])


def checked_name(name: str, data: Dataset, weights_file: Path | None = None) -> str:
    """The extractor's name with `auto` resolved; raises where it cannot be used for this data.
    Fast, to be called before anything takes long. See `find_features`."""
    if name == "auto":
        labelled = data.classes > 1 or stacked.is_stacked(data)
        name = "classifier" if labelled else effnet.for_images(data.shape[-1])
    if name not in NAMES:
        raise UserError(f"--features {name}: unknown{did_you_mean(name, NAMES)}")
    if weights_file is not None and name != "inception":
        raise UserError(f"--weights {weights_file}: belongs to --features inception")
    if name == "inception" and weights_file is None:
        raise UserError(f"--features inception wants --weights OUT.safetensors: {weights.WHERE}")
    if name == "classifier" and not stacked.is_stacked(data):
        require_classes(data)
    if name in effnet.SIDES:
        require_extra(*effnet.WANTED)
    return name


def find_features(
    name: str,
    data: Dataset,
    *,
    weights_file: Path | None = None,
    device: torch.device | str = "cpu",
    say: Callable[[str], None] = print,
    progress: Progress = quiet,
) -> Extractor:
    """The extractor called `name`; `auto` is the classifier where the data has classes, else
    effnet-64 for images up to 64 px, effnet-96 up to 96 px and effnet for larger ones. For stacked
    MNIST it is a classifier of single digits, applied to each channel. `weights_file` is what
    `steadygan weights import` wrote, for inception alone.

    Raises `UserError` for an unknown name, an extra that is not installed, and weights or classes
    that are not there. `progress` counts the classifier's training steps where it is trained.
    """
    name = checked_name(name, data, weights_file)
    network: nn.Module
    accuracy: float | None = None
    if name == "classifier" and stacked.is_stacked(data):
        of_channels, accuracy = stacked.channel_classifier_of(data, say, progress)
        network, dimension, resize = of_channels, of_channels.dimension, "none"
    elif name == "classifier":
        network, accuracy = feature_classifier_of(data, say, progress)
        dimension, resize = DIMENSION, "none"
    elif name in effnet.SIDES:
        network, dimension, resize = (
            effnet.load_effnet(name),
            effnet.DIMENSION,
            effnet.resize_of(name),
        )
    else:
        assert weights_file is not None  # see `checked_name`
        network = weights.load_inception(Path(weights_file))
        dimension, resize = inception.DIMENSION, inception.RESIZE
    network.requires_grad_(False)
    digest = digest_of(network.state_dict(), name, resize)
    return Extractor(name, network.to(device), dimension, digest, resize, accuracy)


class Images(Protocol):
    """uint8 images (N, C, H, W), read a slice at a time: an array, or an equivalent."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice, /) -> Any: ...


@torch.inference_mode()
def extract(extractor: Extractor, images: Images, progress: Progress = quiet) -> Features:
    """Features of uint8 images (N, C, H, W), in batches; `progress` counts images."""
    device = next(extractor.network.parameters()).device
    size = BATCHES.get(extractor.name, 64)
    values, probabilities = [], []
    for start in range(0, len(images), size):
        batch = torch.from_numpy(np.array(images[start : start + size])).to(device)
        found, logits = extractor.network(as_played(batch))
        values.append(found.float().cpu())
        probabilities.append(logits.float().softmax(1).cpu())
        progress(min(start + size, len(images)), len(images))
    return Features(torch.cat(values), torch.cat(probabilities))
