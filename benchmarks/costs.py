"""What a training on many GPUs would take, simulated: `python -m benchmarks.costs`.

    python -m benchmarks.costs r3gan width=256 [--size 256] [--batch 256] [--gpus 1,2,4,8]
        [--images 1000000] [--epochs 25] [--tflops 495] [--reached .4] [--gbytes 200]

An iteration of n processes takes

    t(n) = max over processes of (B/n f / (p e) + h) x_i  +  sum over messages (l + 2 (n-1)/n g / w)

Measured here: f, the floating point operations a real image costs (products and convolutions of all
steps of D and G, counted as they run, forward, backward and second derivatives); g, the bytes of a
message (gradients of one player); how many operations an iteration launches; the spread of x, from
step to step; how fast batches of this size come from the cache. Given by options: p, the card's
peak, and e, the share of it that training reaches (`python -m benchmarks.step` prints it for a
machine), w and l, bandwidth and latency of an all-reduce, and what a launch takes: h is that of all
of them. 1,000 iterations are drawn, each process with its own x; nothing overlaps.
"""

from __future__ import annotations

import argparse
import shlex
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from benchmarks.step import ours
from steadygan.data import Dataset, DataSettings, Split
from steadygan.game.recipe import Recipe
from steadygan.methods import methods
from steadygan.study.compose import compose
from steadygan.training.inputs import batch_indices

#: The least batch that every recipe takes.
FEW = 2
ITERATIONS = 1000


@dataclass(frozen=True)
class Measured:
    """Constants of a recipe at a size, by this machine."""

    flops: float  # of an iteration, for each of B images
    messages: tuple[int, ...]  # bytes of each message of an iteration
    launches: int  # operations of an iteration
    spread: float  # standard deviation of log step times
    reading: float  # images/s from the cache


@dataclass(frozen=True)
class Assumed:
    """Constants of GPUs, by their data sheets."""

    peak: float  # FLOP/s
    reached: float
    bandwidth: float  # bytes/s of an all-reduce
    latency: float  # seconds of a message
    launch: float  # seconds of an operation beside its arithmetic


def pictures(size: int, count: int = 64) -> Dataset:
    """Random colour images in memory."""
    items = np.random.RandomState(0).randint(0, 256, (count, 3, size, size)).astype(np.uint8)
    parts = Split(items, None), Split(items[:8], None)
    settings = DataSettings(size=size, channels=3)
    return Dataset("noise", "noise", items.shape[1:], *parts, None, "0", settings)


class Flops(TorchDispatchMode):
    """Counts the floating point operations of what runs inside, by torch's own formulas; unlike its
    counter, also where gradients are taken of inputs."""

    total = 0.0
    launches = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        self.launches += 1
        if (formula := flop_registry.get(func._overloadpacket)) is not None:
            self.total += formula(*args, **(kwargs or {}), out_val=out)
        return out


def counted(recipe: Recipe, data: Dataset) -> tuple[Flops, tuple[int, ...]]:
    """An iteration of `recipe`, counted, and the bytes of its messages."""
    iterate = ours(recipe, data, "cpu", "fp32")
    with Flops() as counter:
        iterate()
    players = iterate.__self__.state.players
    sizes = {name: 4 * sum(w.numel() for w in p.parameters) for name, p in players.items()}
    steps = {"d": recipe.d_steps, "g": recipe.g_steps}
    return counter, tuple(size for name, size in sizes.items() for _ in range(steps.get(name, 1)))


def timed(recipe: Recipe, data: Dataset, steps: int = 30) -> list[float]:
    """Seconds of each iteration."""
    iterate = ours(recipe, data, "cpu", "fp32")
    times = []
    for _ in range(steps):
        started = time.perf_counter()
        iterate()
        times.append(time.perf_counter() - started)
    return times[5:]


def reading(size: int, batch: int, count: int = 2000) -> float:
    """Images/s of colour batches from a file in memory-mapped form, each as training takes it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "items.npy")
        items = np.lib.format.open_memmap(path, "w+", np.uint8, (count, 3, size, size))
        items[:] = 1
        items.flush()
        started, draws = time.perf_counter(), count // batch * 3
        for draw in range(draws):
            rows = items[batch_indices(count, batch, 0, draw)]
            torch.from_numpy(rows).float().div_(127.5).sub_(1.0)
        return draws * batch / (time.perf_counter() - started)


def measured(recipe: Recipe, size: int, batch: int) -> Measured:
    """The constants of `recipe` at `size`."""
    counter, messages = counted(recipe.changed(batch=FEW), pictures(size))
    spread = statistics.stdev(np.log(timed(recipe.changed(batch=FEW), pictures(32))).tolist())
    flops = counter.total / FEW
    return Measured(flops, messages, counter.launches, spread, reading(size, batch))


def simulated(known: Measured, card: Assumed, batch: int, gpus: int) -> float:
    """Seconds of an iteration of `gpus` processes: the mean of many."""
    compute = batch / gpus * known.flops / (card.peak * card.reached)
    compute += known.launches * card.launch
    drawn = np.random.RandomState(0).lognormal(0.0, known.spread, (ITERATIONS, gpus))
    talk = sum(card.latency + 2 * (gpus - 1) / gpus * b / card.bandwidth for b in known.messages)
    return float((compute * drawn).max(1).mean()) + (talk if gpus > 1 else 0.0)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("method", nargs="?", default="r3gan")
    parser.add_argument("settings", nargs="*", help="key=value")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--gpus", default="1,2,4,8")
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--epochs", type=float, default=25)
    parser.add_argument("--tflops", type=float, default=495.0, help="H100, TF32 without sparsity")
    parser.add_argument("--reached", type=float, default=0.4)
    parser.add_argument("--gbytes", type=float, default=200.0, help="GB/s of an all-reduce")
    parser.add_argument("--latency", type=float, default=3e-5, help="seconds of a message")
    parser.add_argument("--launch", type=float, default=1e-5, help="seconds an operation")
    asked = parser.parse_args()
    settings = dict(each.split("=", 1) for each in asked.settings)
    recipe = compose(methods()[asked.method], (3, asked.size, asked.size), settings, [], [])
    known = measured(recipe, asked.size, asked.batch)
    card = Assumed(
        asked.tflops * 1e12, asked.reached, asked.gbytes * 1e9, asked.latency, asked.launch
    )
    sizes = ", ".join(f"{b / 1e6:.0f}" for b in known.messages)
    said = shlex.join([asked.method, *asked.settings])
    print(f"{said}, {asked.size} px, batch {asked.batch}; measured here:")
    print(f"  {known.flops / 1e9:.1f} GFLOP an image; messages of {sizes} MB an iteration")
    print(f"  {known.launches:,} operations an iteration, whose times spread by {known.spread:.1%}")
    print(f"  {known.reading:,.0f} images/s from the cache, by one thread")
    print(f"assumed: {asked.tflops:g} TFLOP/s, of which {asked.reached:.0%} is reached; "
          f"{asked.launch * 1e6:g} us a launch; {asked.gbytes:g} GB/s and "
          f"{asked.latency * 1e6:g} us a message")  # fmt: skip
    print("| GPUs | s an iteration | images/s | beside one | hours | GPU hours |")
    print("|---|---|---|---|---|---|")
    alone = simulated(known, card, asked.batch, 1)
    for gpus in (int(n) for n in asked.gpus.split(",")):
        taken = simulated(known, card, asked.batch, gpus)
        hours = asked.images * asked.epochs / asked.batch / recipe.d_steps * taken / 3600
        rate = asked.batch * recipe.d_steps / taken
        print(f"| {gpus} | {taken:.3f} | {rate:,.0f} | {alone / taken:.2f}x "
              f"| {hours:,.1f} | {hours * gpus:,.0f} |")  # fmt: skip


if __name__ == "__main__":
    main()
