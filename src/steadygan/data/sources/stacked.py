"""Stacked MNIST: three random digits as the channels of one image, 1,000 modes to be found.

Metz et al. 2017, arXiv:1611.02163, section 3.3.1; Srivastava et al. 2017, arXiv:1705.07761.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from steadygan.data.dataset import Dataset, DataSettings, Progress
from steadygan.data.sources.digits import open_mnist
from steadygan.data.sources.rows import Rows, open_rows
from steadygan.errors import UserError

TRAIN, TEST = 50_000, 10_000


def open_stacked(path: Path | None, settings: DataSettings, progress: Progress | None) -> Dataset:
    """50,000 + 10,000 triples of digits, uint8 (N, 3, 28, 28), without labels.

    The triples of the held-out part are drawn from held-out digits. Digits are those of `mnist`,
    shipped or in the folder `path`. Raises UserError as they do, and for one channel.
    """
    if settings.channels == 1:
        raise UserError("channels=1: stacked-mnist has a digit in each of three; leave it out")
    digits = open_mnist(path, DataSettings(), progress)
    spec = "stacked-mnist" if path is None else f"stacked-mnist:{path}"

    def load() -> Rows:
        # RandomState, because numpy froze its streams for good.
        random = np.random.RandomState(0)
        parts = []
        for split, count in ((digits.train, TRAIN), (digits.test, TEST)):
            rows = random.randint(len(split), size=(count, 3))
            parts.append(split.items[rows, 0])
        return Rows(parts, None, TRAIN, None)

    return open_rows(
        "stacked-mnist", spec, digits.fingerprint, load, settings, progress, channels=3
    )
