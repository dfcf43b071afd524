"""Modes of stacked MNIST: three random digits as the channels of one image make 1,000 modes.

Metz et al. 2017, arXiv:1611.02163, section 3.3.1; Srivastava et al. 2017, arXiv:1705.07761. A
classifier names the digit in each channel; the triples are counted.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

DIGITS = 10
CHANNELS = 3


def stacked_modes(triples: np.ndarray, digits: int = DIGITS) -> dict[str, Any]:
    """`modes`: how many of the digits^3 triples occur among (N, 3) integers; `reverse_kl`: the
    divergence of their shares to uniform, sum p log(p digits^3), in nats; at most log digits^3."""
    index = (triples.astype(np.int64) * digits ** np.arange(CHANNELS)).sum(1)
    modes = digits**CHANNELS
    shares = np.bincount(index, minlength=modes) / len(triples)
    some = shares[shares > 0]
    divergence = float((some * np.log(some)).sum()) + math.log(modes)
    return {
        "modes": len(some),
        "modes_in_data": modes,
        "reverse_kl": max(0.0, divergence),
    }


def digits_of(images: np.ndarray, classify: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """The digit in each channel of uint8 images (N, 3, H, W) as (N, 3); `classify` takes uint8
    images (N, 1, H, W) and gives (N,) classes."""
    return np.stack([classify(images[:, c : c + 1]) for c in range(CHANNELS)], axis=1)
