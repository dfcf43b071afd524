"""Contiguous and channels-last networks, side by side: `python -m benchmarks.layouts`.

    python -m benchmarks.layouts METHOD... [--preset light] [--repeats 7] [--steps 3] [--threads 2]
        [--data mnist]

Seconds of an iteration of each method in both memory formats, which alternate; medians.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

import torch

from benchmarks.overhead import timed
from steadygan.data import open_data
from steadygan.methods import find
from steadygan.recipes.overrides import override
from steadygan.training.loop import Trainer, needs_double_backward
from steadygan.training.precision import MEMORY_FORMATS, place
from steadygan.training.runfolder import RunFolder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("methods", nargs="+")
    parser.add_argument("--preset", default="light")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--data", default="mnist")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    data = open_data(asked.data)
    print(
        f"preset={asked.preset}, {asked.data}, {asked.threads} threads, torch {torch.__version__}"
    )
    for name in asked.methods:
        method = find(name)
        recipe = method.fitted(data.shape)
        for key, value in method.presets[asked.preset].items():
            recipe = override(recipe, key, value) or recipe
        turns = {}
        for laid_out in MEMORY_FORMATS:
            placed = place("cpu", "fp32", needs_double_backward(recipe), memory_format=laid_out)
            turns[laid_out] = Trainer(recipe, data, RunFolder(Path("unused")), 0, placed).iterate
        taken = timed(turns, asked.steps, asked.repeats)
        times = {n: statistics.median(seconds) * 1e3 for n, seconds in taken.items()}
        ratio = times["channels_last"] / times["contiguous"]
        said = ", ".join(f"{n} {t:.1f} ms" for n, t in times.items())
        print(f"  {name:12} {said}, {ratio:.3f}x", flush=True)


if __name__ == "__main__":
    main()
