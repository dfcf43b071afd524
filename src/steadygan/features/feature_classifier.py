"""The classifier whose features distances use: small, trained once for a data set.

Three convolutions with pooling, then 128 features, trained on the labelled train part with random
shifts; its predictions give the Inception Score and the class histogram. It is not the network of
`classifier.py`, which has one class more and a minute less training time.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, pad

from steadygan.data import Dataset
from steadygan.errors import UserError
from steadygan.features.cached import Made, cached
from steadygan.features.classifier import held_out_accuracy
from steadygan.training.inputs import Streams, as_played

#: Raise when the network or its training change: cached ones are then stale.
VERSION = 1
KIND = "feature-classifiers"
DIMENSION = 128
WIDTHS = (24, 48, 96)
#: Larger images are first reduced to about this side by a strided convolution.
SIDE = 32
IMAGES, BATCH = 300_000, 128
LEARNING_RATE, WEIGHT_DECAY = 4e-3, 1e-2

Progress = Callable[[int, int], None]


class FeatureClassifier(nn.Module):
    """Images (B, C, H, W) in [-1, 1] to features (B, 128) and logits (B, classes)."""

    def __init__(self, channels: int, side: int, classes: int) -> None:
        super().__init__()
        stride = math.ceil(side / SIDE)
        layers: list[nn.Module] = []
        for width in WIDTHS:
            kernel, step = (2 * stride + 1, stride) if not layers else (3, 1)
            layers += [
                nn.Conv2d(channels, width, kernel, step, kernel // 2, bias=False),
                nn.MaxPool2d(2, ceil_mode=True), nn.BatchNorm2d(width), nn.ReLU(),
            ]  # fmt: skip
            channels = width
        self.convolutions = nn.Sequential(*layers)
        with torch.no_grad():
            first = cast(nn.Conv2d, self.convolutions[0])
            example = torch.zeros(1, first.in_channels, side, side)
            flat = self.convolutions.eval()(example).numel()
        self.features = nn.Sequential(
            nn.Flatten(), nn.Linear(flat, DIMENSION, bias=False),
            nn.BatchNorm1d(DIMENSION), nn.ReLU(),
        )  # fmt: skip
        self.classes = nn.Linear(DIMENSION, classes)
        # torch's stubs do not know memory_format.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.features(self.convolutions(images))
        return features, self.classes(features)


def feature_classifier_of(
    data: Dataset, say: Callable[[str], None], progress: Progress = lambda done, total: None
) -> tuple[FeatureClassifier, float]:
    """The shipped or cached classifier of a labelled data set, or a new one (about 2 minutes on 2
    cores at 28 px), in eval mode, with its accuracy on the held-out part.

    `progress(done, total)` counts training steps. Raises `UserError` for vectors and for images
    that have no labels, or only one.
    """
    require_classes(data)

    def make() -> Made:
        say("training a classifier of the data, once, for its features")
        network = trained(data, progress)
        return network.state_dict(), {"accuracy": accuracy_of(network, data)}

    tensors, facts = cached(KIND, key_of(data), say, make)
    network = started(data)
    network.load_state_dict(tensors)
    return network.eval(), float(facts["accuracy"])


def key_of(data: Dataset) -> dict[str, Any]:
    """What determines the classifier of a data set."""
    return {"version": VERSION, "data": data.fingerprint, "images": IMAGES}


def started(data: Dataset) -> FeatureClassifier:
    """The network for a data set, before its training; torch's global generator is left
    unchanged."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return FeatureClassifier(data.shape[0], data.shape[1], data.classes)


def trained(data: Dataset, progress: Progress) -> FeatureClassifier:
    """A new classifier of the train part, in eval mode."""
    network = started(data)
    fit(network, data, progress)
    return network


def accuracy_of(network: FeatureClassifier, data: Dataset) -> float:
    """The share of held-out images that get their own class."""
    return held_out_accuracy(_Logits(network), data)


def require_classes(data: Dataset) -> None:
    """Raise `UserError` for data that a classifier cannot be trained on."""
    if len(data.shape) != 3:
        raise UserError(f"{data.spec}: features are of images, not of vectors")
    if data.train.labels is None or data.classes < 2:
        raise UserError(
            f"--features classifier: the images of {data.spec} have no classes to learn; put them "
            "into a folder for each class, or take --features effnet or inception"
        )


class _Logits(nn.Module):
    """A feature network as a plain classifier."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        return self.network(images)[1]


def fit(network: FeatureClassifier, data: Dataset, progress: Progress) -> None:
    """Train on the train part, each image shifted anew; leaves the network in eval mode."""
    streams, steps = Streams(0), max(1, IMAGES // BATCH)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY, fused=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, LEARNING_RATE, total_steps=steps, pct_start=0.2
    )
    assert data.train.labels is not None  # see `require_classes`
    labels = torch.from_numpy(data.train.labels.copy())
    batches = _Rows(len(data.train), streams)
    network.train()
    for step in range(steps):
        generator = streams.generator("feature classifier", step)
        rows = batches.next()
        images = as_played(torch.from_numpy(data.train.items[rows.numpy()]))
        images = shifted(images, generator).contiguous(memory_format=torch.channels_last)
        loss = cross_entropy(network(images)[1], labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        progress(step + 1, steps)
    network.eval()


class _Rows:
    """Batches of rows, every row once before any comes again."""

    def __init__(self, count: int, streams: Streams) -> None:
        self.count, self.streams, self.epoch = count, streams, 0
        self.left = torch.empty(0, dtype=torch.long)

    def next(self) -> Tensor:
        while len(self.left) < BATCH:
            generator = self.streams.generator("feature classifier rows", self.epoch)
            self.left = torch.cat([self.left, torch.randperm(self.count, generator=generator)])
            self.epoch += 1
        rows, self.left = self.left[:BATCH], self.left[BATCH:]
        return rows


def shifted(images: Tensor, generator: torch.Generator) -> Tensor:
    """Each image (B, C, H, W) moved by up to a fourteenth of its side either way (2 of 28 px),
    its edge repeated."""
    count, _, side, _ = images.shape
    reach = max(1, round(side / 14))
    frame = pad(images, (reach,) * 4, mode="replicate")
    down, right = torch.randint(0, 2 * reach + 1, (2, count), generator=generator)
    pixels = torch.arange(side)
    rows = (down[:, None] + pixels)[:, None, :, None]
    columns = (right[:, None] + pixels)[:, None, None, :]
    batch = torch.arange(count)[:, None, None, None]
    channel = torch.arange(images.shape[1])[None, :, None, None]
    return frame[batch, channel, rows, columns]
