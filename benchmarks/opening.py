"""What it costs to open images from the cache, to read a random batch of 64, and to have had every
byte checked: seconds, least and most of 5.

python -m benchmarks.opening [--images 200000] [--size 28] [--channels 1]
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from steadygan.data.cache import open_entry, write_rows

BLOCK, TIMES, BATCH = 1000, 5, 64


def now() -> tuple[float, float]:
    """Seconds on the wall's clock, and of processor time."""
    return time.perf_counter(), time.process_time()


def noise(images: int, shape: tuple[int, int, int]) -> Iterator[np.ndarray]:
    random = np.random.default_rng(0)
    for start in range(0, images, BLOCK):
        count = min(BLOCK, images - start)
        yield random.integers(0, 256, (count, *shape), dtype=np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--images", type=int, default=200_000)
    parser.add_argument("--size", type=int, default=28)
    parser.add_argument("--channels", type=int, default=1)
    asked = parser.parse_args()
    shape = (asked.channels, asked.size, asked.size)

    def build(folder: Path) -> dict:
        write_rows(folder / "items.npy", (asked.images, *shape), noise(asked.images, shape))
        return {"train": asked.images, "class_names": None, "quarantine": [], "fingerprint": ""}

    with tempfile.TemporaryDirectory() as folder:
        os.environ["STEADYGAN_CACHE"] = folder
        open_entry("noise", {}, "", build)
        parts: dict[str, list[tuple[float, float]]] = {}
        for turn in range(TIMES):
            rows = np.random.default_rng(turn).choice(asked.images, BATCH, replace=False)
            started = now()
            entry = open_entry("noise", {}, "", build)
            for part, which in (("opened", None), ("a batch", rows), ("all", slice(None))):
                if which is not None:
                    entry.items[which]
                wall, work = (b - a for a, b in zip(started, now(), strict=True))
                parts.setdefault(part, []).append((wall, work))
        print(f"{asked.images:,} images, {entry.items.nbytes / 1e6:,.0f} MB; seconds until")
        for part, taken in parts.items():
            wall, work = zip(*taken, strict=True)
            least, most = min(work), max(work)
            print(f"  {part}: {min(wall):.3f} to {max(wall):.3f}, of processor time {least:.3f} to "
                  f"{most:.3f}")  # fmt: skip


if __name__ == "__main__":
    main()
