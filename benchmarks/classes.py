"""What thousands of classes cost: a step and the memory at 3,740 classes against 10.

    python -m benchmarks.classes [--method multiclass-lsgan] [--classes 3740] [--threads 2]
        [--preset light] [--steps 5] [--repeats 5]

Same networks but for the label maps, same batch, random pictures of 28 pixels. Turns alternate in
one process, and the ratio is of medians. The memory is the peak of a process of its own that plays
turns and saves a checkpoint at the larger number of classes.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from steadygan.data import Dataset, DataSettings, Split
from steadygan.methods import find
from steadygan.study.compose import compose
from steadygan.training.loop import Trainer, needs_double_backward
from steadygan.training.precision import place
from steadygan.training.runfolder import RunFolder
from steadygan.training.status import peak_resident_mib

SHAPE = (1, 28, 28)


def images(classes: int, count: int = 8192) -> Dataset:
    """Random pictures of so many classes."""
    rng = np.random.default_rng(0)
    items = rng.integers(0, 256, (count, *SHAPE), dtype=np.uint8)
    split = Split(items, np.arange(count, dtype=np.int64) % classes)
    return Dataset(
        name="random", spec="random", shape=SHAPE, train=split, test=split,
        class_names=tuple(map(str, range(classes))), fingerprint="0" * 64, quarantine=(),
        settings=DataSettings(),
    )  # fmt: skip


def game(asked: argparse.Namespace, classes: int, folder: Path) -> Trainer:
    settings = {"preset": asked.preset} if asked.preset else {}
    recipe = compose(find(asked.method), SHAPE, settings)
    device_config = place("cpu", "fp32", needs_double_backward(recipe))
    run = RunFolder.create(folder / str(classes))
    return Trainer(recipe, images(classes), run, 0, device_config)


def seconds(trainer: Trainer, steps: int) -> float:
    started = time.perf_counter()
    for _ in range(steps):
        trainer.iterate()
    return (time.perf_counter() - started) / steps


def peak(asked: argparse.Namespace) -> float:
    """GB that a process takes at most, from its start through some turns and a checkpoint."""
    torch.set_num_threads(asked.threads)
    with tempfile.TemporaryDirectory() as folder:
        trainer = game(asked, asked.classes, Path(folder))
        seconds(trainer, asked.steps)
        trainer.save()
    return peak_resident_mib() / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--method", default="multiclass-lsgan")
    parser.add_argument("--preset", default="")
    parser.add_argument("--classes", type=int, default=3740)
    parser.add_argument("--few", type=int, default=10)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=5)
    asked = parser.parse_args()
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        memory = pool.apply(peak, [asked])
    torch.set_num_threads(asked.threads)
    taken: dict[int, list[float]] = {asked.few: [], asked.classes: []}
    with tempfile.TemporaryDirectory() as folder:
        games = {classes: game(asked, classes, Path(folder)) for classes in taken}
        for trainer in games.values():
            seconds(trainer, 2)
        for _ in range(asked.repeats):
            for classes, trainer in games.items():
                taken[classes].append(seconds(trainer, asked.steps))
        sizes = {
            classes: sum(p.numel() for player in ("g", "d")
                         for p in trainer.state.players[player].parameters)
            for classes, trainer in games.items()
        }  # fmt: skip
    few, many = (statistics.median(taken[classes]) for classes in taken)
    for classes, step in zip(taken, (few, many), strict=True):
        print(f"{classes:5} classes: {1000 * step:8.1f} ms a step, {sizes[classes]:,} parameters")
    print(f"speed at {asked.classes} classes: {few / many:.0%} of that at {asked.few}")
    print(f"peak memory at {asked.classes} classes: {memory:.2f} GB")


if __name__ == "__main__":
    main()
