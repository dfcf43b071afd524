"""The classes of samples, by a classifier of the data, against their shares in the data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def shares_of(classes: np.ndarray, count: int) -> np.ndarray:
    """The share of each of `count` classes among integers (N,)."""
    return np.bincount(classes, minlength=count) / len(classes)


def divergence(shares: np.ndarray, of_data: np.ndarray) -> float:
    """KL(samples || data) in nats; infinite where samples show a class that the data lacks."""
    some = shares > 0
    if (of_data[some] == 0).any():
        return float("inf")
    return max(0.0, float((shares[some] * np.log(shares[some] / of_data[some])).sum()))


def class_histogram(
    predicted: np.ndarray, labels: np.ndarray, names: Sequence[str]
) -> dict[str, Any]:
    """The histogram of samples' predicted classes (N,), against the data's labels (M,).

    `shares` by class name; `kl`, their divergence to the data's; `covered`, the classes with more
    than a tenth of an even share, 1 / (10 K).
    """
    shares, of_data = (shares_of(each, len(names)) for each in (predicted, labels))
    return {
        "shares": dict(zip(names, shares.tolist(), strict=True)),
        "kl": divergence(shares, of_data),
        "covered": int((shares > 1 / (10 * len(names))).sum()),
        "classes": len(names),
    }
