"""Memory formats and precisions, side by side: `python -m benchmarks.layouts`.

    python -m benchmarks.layouts "METHOD [key=value ...]"... [--repeats 7] [--steps 3] [--threads 2]
        [--data mnist] [--formats contiguous channels_last] [--precisions fp32 bf16]

Seconds of an iteration of each run in each of the formats and precisions, which alternate; medians,
and how many times as fast as the first each is.
"""

from __future__ import annotations

import argparse
import statistics
from itertools import product
from pathlib import Path

import torch

from benchmarks.overhead import timed
from steadygan.data import open_data
from steadygan.methods import find
from steadygan.study.compose import compose
from steadygan.study.request import pairs
from steadygan.training.loop import Trainer, needs_double_backward
from steadygan.training.precision import MEMORY_FORMATS, arithmetic_of, place
from steadygan.training.runfolder import RunFolder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("runs", nargs="+")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--formats", nargs="+", choices=MEMORY_FORMATS, default=["channels_last"])
    parser.add_argument("--precisions", nargs="+", choices=("fp32", "bf16"), default=["fp32"])
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    data = open_data(asked.data)
    arithmetic = arithmetic_of(torch.device("cpu"), asked.precisions[-1])
    print(f"{asked.data}, {asked.threads} threads, {arithmetic}, torch {torch.__version__}")
    for run in asked.runs:
        name, *settings = run.split()
        recipe = compose(find(name), data.shape, pairs(settings))
        turns = {}
        for precision, laid_out in product(asked.precisions, asked.formats):
            twice = needs_double_backward(recipe)
            placed = place("cpu", precision, twice, memory_format=laid_out)
            trainer = Trainer(recipe, data, RunFolder(Path("unused")), 0, placed)
            turns[f"{precision} {laid_out}"] = trainer.iterate
        taken = timed(turns, asked.steps, asked.repeats)
        times = {way: statistics.median(seconds) * 1e3 for way, seconds in taken.items()}
        first = next(iter(times.values()))
        said = ", ".join(f"{way} {ms:.1f} ms {first / ms:.2f}x" for way, ms in times.items())
        print(f"  {run}: {said}", flush=True)


if __name__ == "__main__":
    main()
