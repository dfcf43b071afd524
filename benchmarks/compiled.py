"""What other ways to launch the kernels of a step give: `python -m benchmarks.compiled`.

    python -m benchmarks.compiled [METHOD ...] [--device auto] [--precision auto] [--all]

On a CPU: the same game eager and with both networks compiled by `torch.compile` (Inductor), one
thread. On a GPU: with a guard that waits for the device at each step, with one that is read later,
with CUDA graphs (what training does there), with both networks compiled in those graphs, and with
graphs of deterministic kernels (`exact=true`). All alternate; medians of an iteration, and how long
compiling took. `--all` takes every method, without `torch.compile`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch

from benchmarks.step import images, ours, seconds_a_turn, synchronise
from steadygan.data import Dataset
from steadygan.errors import UserError
from steadygan.game.recipe import Recipe
from steadygan.methods import methods
from steadygan.study.compose import compose
from steadygan.training.graphs import WARM_UP
from steadygan.training.loop import Trainer
from steadygan.training.precision import arithmetic_of, find_device

Turn = Callable[[], None]


def compiled(turn: Turn) -> Turn:
    """Compile both networks of a trainer in place, by the entry that training calls."""
    trainer: Trainer = turn.__self__
    trainer.state.generator.compile()
    discriminator = trainer.state.discriminator
    entry = next((n for n in ("judge", "features") if hasattr(discriminator, n)), "forward")
    setattr(discriminator, entry, torch.compile(getattr(discriminator, entry)))
    return turn


def waiting(turn: Turn) -> Turn:
    turn.__self__._late_guard = turn.__self__.graphs = None
    return turn


def turns_of(recipe: Recipe, data: Dataset, device: str, precision: str) -> dict[str, Turn]:
    """An iteration in each way that there is on the device, the one that compiles last."""
    given = recipe, data, device, precision
    if find_device(device).type == "cpu":
        return {"eager": ours(*given), "compiled": compiled(ours(*given))}
    return {
        "waits each step": waiting(ours(*given, graphs=False)),
        "eager": ours(*given, graphs=False),
        "graphs": ours(*given),
        "exact, graphs": ours(*given, exact=True),
        "compiled, graphs": compiled(ours(*given)),
    }


def begun(turn: Turn) -> float:
    """Play until all is compiled and captured; the seconds of the first iteration."""
    trainer: Trainer = turn.__self__
    for stage in trainer.recipe.stages:  # what it would learn does not change the speed
        trainer.take_stage_step(stage)
        trainer.stage_steps[stage] = trainer.recipe.stage_length(stage)
    started = time.perf_counter()
    turn()
    synchronise()
    spent = time.perf_counter() - started
    for _ in range(WARM_UP + 1):
        turn()
    return spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("methods", nargs="*", default=["dcgan", "sngan"])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto", choices=("auto", "fp32", "bf16"))
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--all", action="store_true")
    asked = parser.parse_args()
    device = find_device(asked.device)
    torch.set_num_threads(1)
    print(f"{arithmetic_of(device)}, torch {torch.__version__}, precision {asked.precision}\n")
    data = images(512)
    for name in methods() if asked.all else asked.methods:
        recipe = compose(methods()[name], data.shape, {"preset": "light"}, [], [])
        turns = turns_of(recipe, data, asked.device, asked.precision)
        if asked.all:
            del turns[next(reversed(turns))]
        spent, shown = {}, {}
        for way, turn in turns.items():
            try:
                spent[way] = begun(turn)
                shown[way] = turn
            except UserError as error:
                print(f"`{name}`, {way}: {error}")
        taken = seconds_a_turn(list(shown.values()), 3 if device.type == "cpu" else 20,
                               asked.repeats)  # fmt: skip
        line = [f"{way} {seconds * 1e3:.2f} ms" for way, seconds in zip(shown, taken, strict=True)]
        graphs = shown["graphs"].__self__.graphs if "graphs" in shown else None
        why = f"; played as it is: {graphs.reason}" if graphs and graphs.reason else ""
        times = dict(zip(shown, taken, strict=True))
        first = next(iter(times))
        best = "graphs" if "graphs" in times else "compiled"
        print(f"`{name}`: {', '.join(line)}; {best} {times[first] / times[best]:.2f}x of {first}, "
              f"{recipe.images_in(999) / times[best]:,.0f} images/s; compiling took "
              f"{max(spent.values()):.0f} s{why}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
