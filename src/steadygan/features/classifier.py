"""A small classifier of a data set's images, with one additional class: "not from this data".

Trained on the train part, tested on the held-out part, cached by the data's fingerprint. The extra
class is made of what failed generators show: noise, blur, blends of two images, images put together
from wrong pieces. So one network answers which class an image has, and whether it has any.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, cross_entropy, interpolate

from steadygan.data import Dataset
from steadygan.errors import UserError
from steadygan.features.cached import Made, cached
from steadygan.training.inputs import Streams, as_played

#: Raise when the network, the corruptions or their training change: cached ones are then stale.
VERSION = 3
KIND = "classifiers"
BATCH = 128
IMAGES = 40_000

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Classifier:
    """Classifies images (B, C, H, W) in [-1, 1]; the last of its classes is "not from this data".

    `accuracy` is the share of held-out images that get their own class; "not from this data" is
    wrong.
    """

    network: nn.Module
    classes: int
    accuracy: float

    @torch.no_grad()
    def probabilities(self, images: Tensor) -> Tensor:
        """(B, classes + 1), float32."""
        chunks = images.split(512)
        return torch.cat([self.network(chunk).softmax(1) for chunk in chunks])


def build(channels: int, side: int, classes: int) -> nn.Sequential:
    """Two strided convolutions and two full layers, with batch norm."""
    reduced = math.ceil(math.ceil(side / 2) / 2)
    return nn.Sequential(
        nn.Conv2d(channels, 32, 3, 2, 1), nn.BatchNorm2d(32), nn.ReLU(),
        nn.Conv2d(32, 64, 3, 2, 1), nn.BatchNorm2d(64), nn.ReLU(),
        nn.Flatten(), nn.Linear(64 * reduced**2, 128), nn.BatchNorm1d(128), nn.ReLU(),
        nn.Linear(128, classes + 1),
    )  # fmt: skip


def corruptions(images: Tensor, generator: torch.Generator) -> Tensor:
    """A batch of corrupted images unlike the data, a fifth of it by each of five methods."""
    others = images[torch.randperm(len(images), generator=generator)]
    noise = torch.rand(images.shape, generator=generator) * 2 - 1
    side = images.shape[-1]
    coarse = interpolate(noise[..., : side // 4, : side // 4], size=side, mode="bilinear")
    blur = interpolate(avg_pool2d(images, max(2, side // 5)), size=side, mode="bilinear")
    pieces = torch.cat([images[..., : side // 2, :], others[..., side // 2 :, :]], dim=2)
    pieces = torch.cat([pieces[..., side // 2 :], pieces[..., : side // 2]], dim=3)
    buried = (images + 1.5 * noise).clamp(-1, 1)
    made = [buried, coarse, blur, torch.lerp(images, others, 0.5), pieces]
    kind = torch.arange(len(images)) % len(made)
    return torch.stack(made)[kind, torch.arange(len(images))]


def softened(images: Tensor, generator: torch.Generator) -> Tensor:
    """Every other real image with a little noise and less contrast: a sample may have both and
    still be one of the data's."""
    half = images[::2]
    shape = (len(half), 1, 1, 1)
    contrast = 1 - 0.4 * torch.rand(shape, generator=generator)
    strength = 0.35 * torch.rand(shape, generator=generator)
    noise = torch.randn(half.shape, generator=generator)
    softer = images.clone()
    softer[::2] = (half * contrast + strength * noise).clamp(-1, 1)
    return softer


def classifier_of(
    data: Dataset, say: Callable[[str], None], progress: Progress = lambda done, total: None
) -> Classifier:
    """The shipped or cached classifier of a data set, or a new one (about 15 s on 2 cores).

    `progress(done, total)` counts training steps. Without labels there is one class, "from this
    data". Raises `UserError` for vectors.
    """
    if len(data.shape) != 3:
        raise UserError(f"{data.spec}: a classifier needs images, not vectors")

    def make() -> Made:
        say("training a small classifier of the data, once, to judge samples with")
        network = trained(data, progress)
        return network.state_dict(), {"accuracy": held_out_accuracy(network, data)}

    tensors, facts = cached(KIND, key_of(data), say, make)
    network = build(data.shape[0], data.shape[1], classes_of(data))
    network.load_state_dict(tensors)
    return Classifier(network.eval(), classes_of(data), float(facts["accuracy"]))


def key_of(data: Dataset) -> dict[str, Any]:
    """What determines the classifier of a data set."""
    return {"version": VERSION, "data": data.fingerprint}


def classes_of(data: Dataset) -> int:
    return len(data.class_names) if data.class_names else 1


def trained(data: Dataset, progress: Progress) -> nn.Sequential:
    """A new classifier of the train part, in eval mode."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = build(data.shape[0], data.shape[1], classes_of(data))
        fit(network, data, classes_of(data), progress)
    return network


def fit(network: nn.Module, data: Dataset, classes: int, progress: Progress) -> None:
    """Train on real images and as many corruptions; leaves the network in eval mode."""
    streams, steps = Streams(0), IMAGES // BATCH
    optimizer = torch.optim.AdamW(network.parameters(), 2e-3, weight_decay=1e-2, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
    network.train()
    for step in range(steps):
        generator = streams.generator("classifier", step)
        rows = torch.randint(len(data.train), (BATCH,), generator=generator).numpy()
        real = as_played(torch.from_numpy(data.train.items[rows]))
        false = corruptions(real, generator)
        real = softened(real, generator)
        labels = data.train.labels
        named = torch.from_numpy(labels[rows]) if labels is not None else torch.zeros(BATCH).long()
        target = torch.cat([named, torch.full((BATCH,), classes)])
        loss = cross_entropy(network(torch.cat([real, false])), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        progress(step + 1, steps)
    network.eval()


@torch.no_grad()
def held_out_accuracy(network: nn.Module, data: Dataset) -> float:
    """The share of held-out images that get their own class."""
    right = 0
    for rows, images in held_out(data):
        labels = data.test.labels
        wanted = torch.from_numpy(labels[rows]) if labels is not None else 0
        right += int((network(images).argmax(1) == wanted).sum())
    return right / len(data.test)


def held_out(data: Dataset) -> Iterator[tuple[np.ndarray, Tensor]]:
    """The held-out part in order, as (rows, images in [-1, 1])."""
    for start in range(0, len(data.test), 512):
        rows = np.arange(start, min(start + 512, len(data.test)))
        yield rows, as_played(torch.from_numpy(data.test.items[rows]))
