"""Modes of stacked MNIST: three random digits as the channels of one image make 1,000 modes.

Metz et al. 2017, arXiv:1611.02163, section 3.3.1; Srivastava et al. 2017, arXiv:1705.07761. A
classifier of single digits reads each channel; the triples are counted.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from torch import Tensor, nn

from steadygan.data import Dataset, DataSettings, open_data
from steadygan.features.feature_classifier import DIMENSION, feature_classifier_of

DIGITS = 10
CHANNELS = 3


def is_stacked(data: Dataset) -> bool:
    """Whether the images are triples of digits."""
    return data.name == "stacked-mnist"


class ChannelClassifier(nn.Module):
    """A classifier of single digits on each channel: images (B, 3, H, W) in [-1, 1] to features
    (B, 3 * 128) and logits (B, 1000) of the triples, whose softmax is the product of the three."""

    dimension = CHANNELS * DIMENSION

    def __init__(self, digits: nn.Module) -> None:
        super().__init__()
        self.digits = digits

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features, logits = self.digits(images.flatten(0, 1).unsqueeze(1))
        first, second, third = logits.log_softmax(1).unflatten(0, (-1, CHANNELS)).unbind(1)
        triples = first[:, :, None, None] + second[:, None, :, None] + third[:, None, None, :]
        return features.unflatten(0, (-1, CHANNELS)).flatten(1), triples.flatten(1)


def channel_classifier_of(
    data: Dataset, say: Callable[[str], None], progress: Callable[[int, int], None]
) -> tuple[ChannelClassifier, float]:
    """The classifier for triples of these digits, cached or trained now, with its accuracy on
    single held-out ones. `progress(done, total)` counts training steps."""
    _, colon, folder = data.spec.partition(":")
    digits = open_data("mnist" + colon + folder, DataSettings(size=data.shape[1]))
    network, accuracy = feature_classifier_of(digits, say, progress)
    return ChannelClassifier(network).eval(), accuracy


def stacked_modes(triples: np.ndarray) -> dict[str, Any]:
    """`modes`: how many of the 1,000 triples occur among (N,) integers, hundreds for the first
    channel; `reverse_kl`: the divergence of their shares to uniform, sum p log(1000 p), in nats;
    at most log 1000."""
    modes = DIGITS**CHANNELS
    shares = np.bincount(triples, minlength=modes) / len(triples)
    some = shares[shares > 0]
    divergence = float((some * np.log(some)).sum()) + math.log(modes)
    return {
        "modes": len(some),
        "modes_in_data": modes,
        "reverse_kl": max(0.0, divergence),
    }
