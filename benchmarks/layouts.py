"""Memory formats and precisions, side by side: `python -m benchmarks.layouts`.

    python -m benchmarks.layouts "METHOD [key=value ...]"... [--repeats 7] [--steps 3] [--threads 2]
        [--data mnist] [--formats contiguous channels_last] [--precisions fp32 bf16]
        [--without-products]

Seconds of an iteration of each run in each of the formats and precisions, which alternate; medians,
and how many times as fast as the first each is. `--without-products` adds to each the same without
the products of `networks/strided.py`. The images of `--data random` are 32x32x3.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from itertools import product
from pathlib import Path

import torch

from benchmarks.overhead import replaced, timed
from benchmarks.step import images
from steadygan.data import Dataset, open_data
from steadygan.game.recipe import Recipe
from steadygan.methods import find
from steadygan.networks import strided
from steadygan.study.compose import compose
from steadygan.study.request import pairs
from steadygan.training.loop import Trainer, needs_double_backward
from steadygan.training.precision import MEMORY_FORMATS, DeviceConfig, arithmetic_of, place
from steadygan.training.runfolder import RunFolder


def iterate(recipe: Recipe, data: Dataset, placed: DeviceConfig) -> Callable[[], None]:
    return Trainer(recipe, data, RunFolder(Path("unused")), 0, placed).iterate


def without_products(turn: Callable[[], None]) -> Callable[[], None]:
    """`turn` with strided convolutions by torch's own kernels alone."""

    def call() -> None:
        with replaced(strided, "DTYPE", None):
            turn()

    return call


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("runs", nargs="+")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--formats", nargs="+", choices=MEMORY_FORMATS, default=["channels_last"])
    parser.add_argument("--precisions", nargs="+", choices=("fp32", "bf16"), default=["fp32"])
    parser.add_argument("--without-products", action="store_true")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    data = images() if asked.data == "random" else open_data(asked.data)
    arithmetic = arithmetic_of(torch.device("cpu"), asked.precisions[-1])
    where = f"{data.name} {data.shape}, {asked.threads} threads"
    print(f"{where}, {arithmetic}, torch {torch.__version__}")
    for run in asked.runs:
        name, *settings = run.split()
        recipe = compose(find(name), data.shape, pairs(settings))
        turns: dict[str, Callable[[], None]] = {}
        for precision, laid_out in product(asked.precisions, asked.formats):
            twice = needs_double_backward(recipe)
            placed = place("cpu", precision, twice, memory_format=laid_out)
            way = f"{precision} {laid_out}"
            turns[way] = iterate(recipe, data, placed)
            if asked.without_products:
                turns[f"{way} without products"] = without_products(iterate(recipe, data, placed))
        taken = timed(turns, asked.steps, asked.repeats)
        times = {way: statistics.median(seconds) * 1e3 for way, seconds in taken.items()}
        first = next(iter(times.values()))
        said = ", ".join(f"{way} {ms:.1f} ms {first / ms:.2f}x" for way, ms in times.items())
        print(f"  {run}: {said}", flush=True)


if __name__ == "__main__":
    main()
