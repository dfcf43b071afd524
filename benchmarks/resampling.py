"""Convolutions that also halve or double a side, as one operation and as two: an iteration of each.

    python -m benchmarks.resampling "METHOD [key=value ...]"... [--repeats 7] [--steps 2]
        [--threads 2] [--data NAME] [--least-side 16]

Seconds of an iteration with `steadygan.networks.resampling` as it is, and with the convolution and
the resampling one after the other; they alternate; medians. Without `--data` the images are random,
32x32x3. `--least-side` sets the side from which there is one operation.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable

import torch
from torch import Tensor, nn

from benchmarks.overhead import replaced, timed, trainer_of
from benchmarks.step import images
from steadygan.data import open_data
from steadygan.methods import find
from steadygan.networks import resampling
from steadygan.networks.resampling import DoublingConv, HalvingConv, enlarged, halved
from steadygan.study.compose import compose


def apart(turn: Callable[[], None]) -> Callable[[], None]:
    """`turn` with each convolution and its resampling as two operations."""

    def halving(self: HalvingConv, x: Tensor) -> Tensor:
        return halved(nn.Conv2d.forward(self, x))

    def doubling(self: DoublingConv, x: Tensor) -> Tensor:
        return nn.Conv2d.forward(self, enlarged(x, self.side))

    def call() -> None:
        with (
            replaced(HalvingConv, "forward", halving),
            replaced(DoublingConv, "forward", doubling),
        ):
            turn()

    return call


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("runs", nargs="+")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--data")
    parser.add_argument("--least-side", type=int, default=resampling.LEAST_SIDE)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    resampling.LEAST_SIDE = asked.least_side
    data = open_data(asked.data) if asked.data else images()
    print(f"{data.name} {data.shape}, {asked.threads} threads, torch {torch.__version__}")
    for run in asked.runs:
        name, *settings = run.split()
        keys = dict(word.split("=", 1) for word in settings)
        iterate = trainer_of(compose(find(name), data.shape, keys), data).iterate
        turns = {"one operation": iterate, "two": apart(iterate)}
        taken = timed(turns, asked.steps, asked.repeats)
        times = {way: statistics.median(seconds) * 1e3 for way, seconds in taken.items()}
        said = ", ".join(f"{way} {ms:.1f} ms" for way, ms in times.items())
        print(f"  {run}: {said}, {times['two'] / times['one operation']:.2f}x", flush=True)


if __name__ == "__main__":
    main()
