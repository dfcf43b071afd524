"""Ring and grid: mixtures of Gaussians in the plane, where missing modes can be counted."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

import numpy as np

from steadygan.data.dataset import Dataset, DataSettings, Progress, fingerprint, from_rows

TRAIN, TEST = 50_000, 10_000
RING_STD, GRID_STD = 0.01, 0.05


def ring_centres() -> np.ndarray:
    """8 modes on the unit circle, float64 (8, 2), counter-clockwise from (1, 0)."""
    angles = np.arange(8) * (2 * math.pi / 8)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def grid_centres() -> np.ndarray:
    """25 modes at {-4, -2, 0, 2, 4} squared, float64 (25, 2)."""
    axis = np.arange(-4.0, 5.0, 2.0)
    return np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)


def open_ring(path: Path | None, settings: DataSettings, progress: Progress | None) -> Dataset:
    """8 Gaussians of deviation 0.01 on the unit circle: 50,000 + 10,000 points float32 (N, 2)."""
    return _mixture("ring", ring_centres(), RING_STD, settings)


def open_grid(path: Path | None, settings: DataSettings, progress: Progress | None) -> Dataset:
    """25 Gaussians of deviation 0.05 on a grid of step 2: 50,000 + 10,000 points float32 (N, 2)."""
    return _mixture("grid", grid_centres(), GRID_STD, settings)


def _mixture(name: str, centres: np.ndarray, std: float, settings: DataSettings) -> Dataset:
    # RandomState, because numpy froze its streams for good; default_rng's may change, and with
    # them the points behind a recorded fingerprint.
    random = np.random.RandomState(0)
    labels = random.randint(len(centres), size=TRAIN + TEST).astype(np.int64)
    noise = random.standard_normal((len(labels), 2)) * std
    items = (centres[labels] + noise).astype(np.float32)
    items.flags.writeable = labels.flags.writeable = False
    names = [f"mode {index}" for index in range(len(centres))]
    digest = hashlib.sha256(items.astype("<f4").data).hexdigest()
    facts = {
        "train": TRAIN,
        "class_names": names,
        "quarantine": [],
        "fingerprint": fingerprint(digest, (2,), TRAIN, labels, names),
    }
    return from_rows(name, name, items, labels, facts, settings)
