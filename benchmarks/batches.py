"""How fast batches come from the cache, on one core: images a second.

taskset -c 0 python -m benchmarks.batches [--data mnist] [--batch 64]
"""

from __future__ import annotations

import argparse
import time

from steadygan.data import open_data
from steadygan.training.inputs import batch_indices


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--batch", type=int, default=64)
    asked = parser.parse_args()
    train = open_data(asked.data).train
    draws = 20 * (len(train) // asked.batch)
    started = time.perf_counter()
    for draw in range(draws):
        train.items[batch_indices(len(train), asked.batch, 0, draw)]
    rate = draws * asked.batch / (time.perf_counter() - started)
    print(f"{asked.data}: {rate:,.0f} images/s in batches of {asked.batch}")


if __name__ == "__main__":
    main()
