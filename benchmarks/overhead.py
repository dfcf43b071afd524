"""What the training loop adds to the maths of a light game: `python -m benchmarks.overhead`.

    python -m benchmarks.overhead [--repeats 15] [--steps 10] [--threads 2] [--preset light]

Beside an iteration of the library stands a loop as one would write it by hand for the same maths:
the same networks, batches, losses, fused Adam steps, one forward of G for both players, and
gradients of one player's weights alone, but no guard, no copies of buffers, no keyed streams, no
frozen statistics and no moving average. Then the library's iteration with one of these left out,
which says what each costs. All alternate, in one run; times are medians, their spread is half the
distance between the quartiles.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from steadygan.data import Dataset, open_data
from steadygan.game.optimizers import EMA
from steadygan.game.player import frozen_buffers
from steadygan.game.recipe import Recipe
from steadygan.methods import find
from steadygan.recipes.overrides import override
from steadygan.training import guards
from steadygan.training.inputs import Streams, as_played
from steadygan.training.loop import Trainer, needs_double_backward
from steadygan.training.precision import place
from steadygan.training.runfolder import RunFolder


class ByHand:
    """The same maths without anything around it, for games of scores with `shared_latents`."""

    def __init__(self, trainer: Trainer) -> None:
        state, self.recipe = trainer.state, trainer.recipe
        self.g, self.d = state.generator, state.discriminator
        self.players = state.players
        self.data, self.format = trainer.data.train.items, trainer.device_config.memory_format

    def __call__(self) -> None:
        recipe = self.recipe
        rows = np.random.randint(0, len(self.data), recipe.batch)
        real = as_played(torch.from_numpy(self.data[rows])).to(memory_format=self.format)
        fake = self.g(recipe.prior.latents(torch.randn(recipe.batch, recipe.prior.dim)))
        scores = self.d(real).flatten(), self.d(fake.detach()).flatten()
        self.step("d", recipe.objective.d_loss(*scores))
        self.step("g", recipe.objective.g_loss(self.d(fake).flatten()))

    def step(self, player: str, loss: torch.Tensor) -> None:
        own = self.players[player]
        for weight, gradient in zip(
            own.parameters, torch.autograd.grad(loss, own.parameters), strict=True
        ):
            same = gradient.stride() == weight.stride()
            weight.grad = gradient if same else torch.empty_like(weight).copy_(gradient)
        own.optimizer.step()
        own.optimizer.zero_grad(set_to_none=True)


@contextmanager
def replaced(owner: object, name: str, by: object) -> Iterator[None]:
    before = getattr(owner, name)
    setattr(owner, name, by)
    try:
        yield
    finally:
        setattr(owner, name, before)


#: What is left out of an iteration, by what the table calls it.
PIECES: dict[str, tuple[object, str, object]] = {
    "guard": (guards.Guard, "check", lambda self, result: None),
    "copies of buffers": (guards.Guard, "begin", lambda self, state: None),
    "moving average": (EMA, "follow", lambda self, tensors, images, batch: None),
    "keyed streams": (Streams, "key", lambda self, name, *place, rank=0: 7),
    "frozen statistics": (frozen_buffers, "__enter__", lambda self: self._before.append([])),
}


def without(piece: str, turn: Callable[[], None]) -> Callable[[], None]:
    owner, name, by = PIECES[piece]

    def call() -> None:
        with replaced(owner, name, by):
            if piece == "frozen statistics":
                with replaced(frozen_buffers, "__exit__", lambda self, *error: None):
                    return turn()
            turn()

    return call


def timed(turns: dict[str, Callable[[], None]], steps: int, repeats: int) -> dict[str, list[float]]:
    """Seconds a turn of each, `repeats` times in turn."""
    found: dict[str, list[float]] = {name: [] for name in turns}
    for turn in turns.values():
        for _ in range(3):
            turn()
    for _ in range(repeats):
        for name, turn in turns.items():
            started = time.perf_counter()
            for _ in range(steps):
                turn()
            found[name].append((time.perf_counter() - started) / steps)
    return found


def trainer_of(recipe: Recipe, data: Dataset) -> Trainer:
    placed = place("cpu", "fp32", needs_double_backward(recipe))
    return Trainer(recipe, data, RunFolder(Path("unused")), 0, placed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--preset", default="light")
    parser.add_argument("--data", default="mnist")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    data, chosen = open_data(asked.data), find("dcgan")
    recipe = chosen.fitted(data.shape)
    for key, value in chosen.presets[asked.preset].items():
        recipe = override(recipe, key, value) or recipe
    trainer = trainer_of(recipe, data)
    turns: dict[str, Callable[[], None]] = {
        "by hand": ByHand(trainer_of(recipe, data)),
        "the library": trainer.iterate,
        **{f"without {piece}": without(piece, trainer.iterate) for piece in PIECES},
    }
    times = timed(turns, asked.steps, asked.repeats)
    base = statistics.median(times["by hand"])
    print(f"dcgan preset={asked.preset} on {asked.data}, batch {recipe.batch}, "
          f"{asked.threads} threads, torch {torch.__version__}")  # fmt: skip
    for name, taken in times.items():
        middle, quarters = statistics.median(taken), statistics.quantiles(taken, n=4)
        spread = (quarters[2] - quarters[0]) / 2
        print(f"  {name:28} {middle * 1e3:7.2f} ms +- {spread * 1e3:.2f}  {middle / base:.3f}x")


if __name__ == "__main__":
    main()
