"""What a part that remembers costs an iteration, as ratios in one run.

    python -m benchmarks.state [--device auto] [--repeats 5] [--steps 3]

DCGAN with 4x4 kernels at batch 64, 32x32x3, without and with each part that keeps a state; turns
alternate and the ratio is of medians. The replay history is full before the clock starts, so that
each turn draws from it and writes to it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from benchmarks.step import images, seconds_a_turn
from steadygan.game.part import Part
from steadygan.methods import find
from steadygan.parts.replay import History
from steadygan.training.loop import Trainer
from steadygan.training.precision import arithmetic_of, find_device, place
from steadygan.training.runfolder import RunFolder

PARTS = ("replay:capacity=512", "replay:capacity=8192", "lecam", "historical-averaging")


def game(part: str | None, device: str, width: int) -> Trainer:
    """A trainer with `part`, its history full of noise."""
    recipe = find("dcgan").recipe
    networks = recipe.networks.model_copy(update={"kernel": 4, "width": width})
    recipe = recipe.changed(networks=networks)
    recipe = recipe if part is None else recipe.with_(Part.read(part))
    placed = place(device, "fp32", double_backward=False)
    trainer = Trainer(recipe, images(), RunFolder(Path("unused")), 0, placed)
    for state in trainer.state.part_states.modules():
        if isinstance(state, History):
            state.samples.uniform_(-1, 1)
            state.filled.fill_(len(state.samples))
    return trainer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--width", type=int, default=64)
    asked = parser.parse_args()
    device = find_device(asked.device)
    print(
        f"{device.type} {arithmetic_of(device)}, torch {torch.__version__}, "
        f"{torch.get_num_threads()} threads, width {asked.width}"
    )
    games = [game(part, asked.device, asked.width) for part in (None, *PARTS)]
    iterations = [trainer.iterate for trainer in games]
    plain, *taken = seconds_a_turn(iterations, asked.steps, asked.repeats)
    print(f"no part: {plain * 1e3:.1f} ms a turn")
    for part, seconds in zip(PARTS, taken, strict=True):
        print(f"{part}: {seconds * 1e3:.1f} ms a turn, {seconds / plain:.2f}x")


if __name__ == "__main__":
    main()
