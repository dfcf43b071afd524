"""What `torch.compile` gives on this machine: `python -m benchmarks.compiled [METHOD ...]`.

The same game eager and with both networks compiled (Inductor), alternating, one thread; medians of
an iteration, the fastest one, and how long compiling took.
"""

from __future__ import annotations

import argparse
import time

import torch

from benchmarks.step import images, ours, seconds_a_turn
from steadygan.methods import methods
from steadygan.study.compose import compose
from steadygan.training.loop import Trainer


def compiled(trainer: Trainer) -> None:
    """Compile both networks of `trainer` in place, by the entry that training calls."""
    trainer.state.generator.compile()
    discriminator = trainer.state.discriminator
    entry = next((n for n in ("judge", "features") if hasattr(discriminator, n)), "forward")
    setattr(discriminator, entry, torch.compile(getattr(discriminator, entry)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("methods", nargs="*", default=["dcgan", "sngan"])
    parser.add_argument("--repeats", type=int, default=7)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    data = images(512)
    print("| method, preset=light, 32 px | eager | compiled | | seconds to compile |")
    print("|---|---|---|---|---|")
    for name in asked.methods:
        recipe = compose(methods()[name], data.shape, {"preset": "light"}, [], [])
        eager, other = (ours(recipe, data, "cpu", "fp32") for _ in range(2))
        compiled(other.__self__)
        started = time.perf_counter()
        other()
        spent = time.perf_counter() - started
        plain, fused = seconds_a_turn([eager, other], 3, asked.repeats)
        print(f"| `{name}` | {plain * 1e3:.1f} ms | {fused * 1e3:.1f} ms | {plain / fused:.2f}x "
              f"| {spent:.0f} |")  # fmt: skip


if __name__ == "__main__":
    main()
