"""How long measures take and how much memory: held-out images judged against the training part.

python -m benchmarks.measures [--data fashion-mnist] [--count 10000] [--threads 2]

The classifier is trained first where it is not in the cache; that time is said apart. The real
side is timed cold: its features are made anew, whatever the cache holds.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
import torch

from steadygan.data import open_data
from steadygan.features.extract import BATCHES, Extractor, extract, find_features
from steadygan.metrics.evaluate import evaluate
from steadygan.metrics.frechet import frechet_distance, moments
from steadygan.metrics.kernel import kernel_distance
from steadygan.metrics.prdc import prdc
from steadygan.metrics.reference import Reference, evenly
from steadygan.training.inputs import as_played
from steadygan.training.status import peak_resident_mib


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def timed(name: str, do: Callable[[], object]) -> object:
    """What `do` gives; its wall-clock and processor seconds are printed."""
    wall, cpu = time.perf_counter(), time.process_time()
    found = do()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(f"  {name:40} {wall:7.1f} s ({cpu:.1f} s of processors)", flush=True)
    return found


def rates(extractor: Extractor, images: np.ndarray, repeats: int) -> tuple[float, float]:
    """Images a second of `extract` and of a bare forward loop over batches that lie ready."""
    size = BATCHES[extractor.name]
    ready = [as_played(batch) for batch in torch.from_numpy(images).split(size)]

    @torch.inference_mode()
    def bare() -> None:
        for batch in ready:
            extractor.network(batch)

    taken: dict[str, list[float]] = {"ours": [], "bare": []}
    for _ in range(repeats):
        for name, do in (("ours", lambda: extract(extractor, images)), ("bare", bare)):
            started = time.process_time()
            do()
            taken[name].append(time.process_time() - started)
    return tuple(len(images) / statistics.median(taken[name]) for name in ("ours", "bare"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data", default="fashion-mnist")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=5)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    data = open_data(asked.data)
    print(f"{data.name}, torch {torch.__version__}, {asked.threads} threads")
    extractor = timed(
        "classifier (or its cache)", lambda: find_features("classifier", data, say=say)
    )
    print(f"  its accuracy on the held-out part: {extractor.accuracy:.4f}")
    samples = np.asarray(data.test.items[evenly(len(data.test), asked.count)])
    ours, bare = rates(extractor, samples[:4000], asked.repeats)
    print(f"  features: {ours:,.0f} images/s of a processor, {ours / bare:.0%} of a bare loop")

    started = time.perf_counter()
    real = timed(f"features of {len(data.train):,}", lambda: extract(extractor, data.train.items))
    fake = timed(f"features of {len(samples):,}", lambda: extract(extractor, samples))
    timed("FID", lambda: frechet_distance(moments(real.values), moments(fake.values)))
    timed("KID", lambda: kernel_distance(real.values, fake.values))
    near = real.rows(evenly(len(real), len(fake)))
    timed("precision, recall, density, coverage", lambda: prdc(near.values, fake.values))
    print(f"  these together {time.perf_counter() - started:.1f} s")
    reference = Reference(data, "train", extractor, np.arange(len(data.train)), real)
    timed(
        "all of `evaluate` with the real side kept", lambda: evaluate(samples, reference, say=say)
    )
    print(f"  peak memory {peak_resident_mib() / 1024:.2f} GiB")


if __name__ == "__main__":
    main()
