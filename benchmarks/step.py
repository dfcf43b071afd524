"""Speed of a training step against a textbook loop, as ratios in one run.

    python -m benchmarks.step [--device auto] [--repeats 5] [--steps 10] [--batch 64]

The textbook loop is what the well-known tutorials write: eager float32, a fresh fake batch for
each player, `backward()` through everything (so D gets weight gradients in G's step too), default
optimizers. Ours is the library's own loop, guards included. Both use the same networks, batch 64
and data on the device's host; their turns alternate, and the ratio is of medians. The last table
says what share of this machine's convolution peak, measured in the same run, DCGAN's step reaches.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from steadygan.data import Dataset, DataSettings, Split
from steadygan.game.recipe import Recipe
from steadygan.methods import find
from steadygan.parts.normalisation import SpectralNormalisation
from steadygan.training.inputs import as_played
from steadygan.training.loop import Trainer, needs_double_backward
from steadygan.training.precision import arithmetic_of, find_device, has_bf16, place
from steadygan.training.runfolder import RunFolder

SHAPE = (3, 32, 32)


def images(count: int = 4096) -> Dataset:
    """Random pictures of ten classes: the speed of a step does not depend on what they show."""
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (count, *SHAPE), dtype=np.uint8)
    split = Split(pictures, rng.integers(0, 10, count))
    return Dataset(
        name="random", spec="random", shape=SHAPE, train=split, test=split,
        class_names=tuple("0123456789"),
        fingerprint="0" * 64, quarantine=(), settings=DataSettings(),
    )  # fmt: skip


class Textbook:
    """The loop of the tutorials for the same recipe; one call is one turn.

    Spectral norm is torch's own (an iteration at every forward); the objective is the recipe's, so
    that both sides compute the same losses.
    """

    def __init__(self, recipe: Recipe, data: Dataset, device: torch.device) -> None:
        torch.manual_seed(0)
        built = recipe.networks.build(SHAPE, recipe.prior.total_dim)
        self.g, self.d = (built[name].to(device) for name in ("generator", "discriminator"))
        for part in recipe.parts():
            if isinstance(part, SpectralNormalisation):
                normalise(self.d)
                if part.players == "both":
                    normalise(self.g)
        d, g = recipe.d_optimizer, recipe.g_optimizer
        self.d_adam = torch.optim.Adam(self.d.parameters(), d.lr, betas=d.betas)
        self.g_adam = torch.optim.Adam(self.g.parameters(), g.lr, betas=g.betas)
        self.recipe, self.data, self.device = recipe, data, device
        self.penalised = needs_double_backward(recipe)

    def __call__(self) -> None:
        for _ in range(self.recipe.d_steps):
            self.d_step()
        self.g_step()

    def d_step(self) -> None:
        rows = np.random.randint(0, len(self.data.train), self.recipe.batch)
        real = as_played(torch.from_numpy(self.data.train.items[rows])).to(self.device)
        self.d_adam.zero_grad()
        fake = self.g(self.latents()).detach()
        loss = self.recipe.objective.d_loss(self.d(real).flatten(), self.d(fake).flatten())
        if self.penalised:
            loss = loss + 10.0 * self.penalty(real, fake)
        loss.backward()
        self.d_adam.step()
        loss.item()

    def penalty(self, real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
        share = torch.rand(len(real), 1, 1, 1, device=self.device)
        mixed = (share * real + (1 - share) * fake).requires_grad_(True)
        scores = self.d(mixed)
        (slope,) = torch.autograd.grad(
            scores, mixed, torch.ones_like(scores), create_graph=True, retain_graph=True
        )
        return ((slope.flatten(1).norm(2, dim=1) - 1) ** 2).mean()

    def g_step(self) -> None:
        self.g_adam.zero_grad()
        loss = self.recipe.objective.g_loss(self.d(self.g(self.latents())).flatten())
        loss.backward()
        self.g_adam.step()
        loss.item()

    def latents(self) -> torch.Tensor:
        return torch.randn(self.recipe.batch, self.recipe.prior.dim, device=self.device)


def normalise(network: nn.Module) -> None:
    """torch's spectral norm on every layer that ours would normalise."""
    for layer in list(network.modules()):
        if isinstance(layer, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
            torch.nn.utils.parametrizations.spectral_norm(layer)


def ours(
    recipe: Recipe, data: Dataset, device: str, precision: str, exact: bool = False,
    graphs: bool = True,
) -> Callable[[], None]:  # fmt: skip
    """The library's own turn, guards and all."""
    placed = place(device, precision, needs_double_backward(recipe), exact, graphs)
    trainer = Trainer(recipe, data, RunFolder(Path("unused")), 0, placed)
    return trainer.iterate


def seconds_a_turn(iterations: list[Callable[[], None]], steps: int, repeats: int) -> list[float]:
    """The median time of each turn function, all alternating so that drift hits them alike."""
    for iteration in iterations:
        for _ in range(3):
            iteration()
    times: list[list[float]] = [[] for _ in iterations]
    for _ in range(repeats):
        for iteration, taken in zip(iterations, times, strict=True):
            synchronise()
            started = time.perf_counter()
            for _ in range(steps):
                iteration()
            synchronise()
            taken.append((time.perf_counter() - started) / steps)
    return [statistics.median(taken) for taken in times]


def synchronise() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def conv_peak(device: torch.device, dtype: torch.dtype) -> float:
    """The best rate of a large convolution here, in FLOP/s: forward, channels-last."""
    best = 0.0
    for channels, side in ((128, 32), (256, 32), (256, 16), (512, 16)):
        x = torch.randn(64, channels, side, side, device=device, dtype=dtype)
        w = torch.randn(channels, channels, 3, 3, device=device, dtype=dtype)
        x, w = (t.to(memory_format=torch.channels_last) for t in (x, w))
        with torch.no_grad():
            (taken,) = seconds_a_turn([lambda x=x, w=w: F.conv2d(x, w, padding=1)], 3, 3)
        best = max(best, 2 * x.numel() * channels * 9 / taken)
    return best


def matmul_peak(device: torch.device, dtype: torch.dtype) -> float:
    """The best rate of a square product here, in FLOP/s."""
    best = 0.0
    for side in (1024, 2048, 4096):
        a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
        times = []
        for _ in range(3):
            synchronise()
            started = time.perf_counter()
            a @ b
            synchronise()
            times.append(time.perf_counter() - started)
        best = max(best, 2 * side**3 / min(times))
    return best


def share_of_peak(iteration: Callable[[], None], seconds: float, precision: str) -> str:
    """What share of the convolution peak a turn reaches (torch counts no double backward)."""
    trainer = iteration.__self__
    graphs, trainer.graphs = trainer.graphs, None  # a graph's kernels cannot be counted
    with FlopCounterMode(display=False) as counter:
        iteration()
    trainer.graphs = graphs
    rate = counter.get_total_flops() / seconds
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    device = trainer.device_config.device
    peaks = (("convolution", conv_peak(device, kind)), ("matmul", matmul_peak(device, kind)))
    shares = (f"{rate / peak:.0%} of a {name} peak of {peak / 1e12:.2f}" for name, peak in peaks)
    return f"; {rate / 1e12:.2f} TFLOP/s: {' and '.join(shares)} here"


def recipes(batch: int = 64) -> dict[str, Recipe]:
    """One game of each kind at 32x32x3, by default of batch 64: plain, double backward, spectral
    norm, an auto-encoder for D, attention."""
    dcgan, wgan_gp = find("dcgan").recipe, find("wgan-gp").recipe
    four = dcgan.networks.model_copy(update={"kernel": 4})
    three = wgan_gp.networks.model_copy(update={"stages": 3})
    found = {
        "dcgan 4x4 width 64": dcgan.changed(networks=four),
        "wgan-gp width 64, three stages": wgan_gp.changed(networks=three),
        **{name: find(name).recipe for name in ("sngan", "began", "sagan-hinge")},
    }
    return {name: recipe.changed(batch=batch) for name, recipe in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--only", help="the games whose name begins so")
    asked = parser.parse_args()
    device = find_device(asked.device)
    bf16 = has_bf16(device)
    print(
        f"{device.type} {arithmetic_of(device)}, torch {torch.__version__}, "
        f"{torch.get_num_threads()} threads, bf16 hardware: {'yes' if bf16 else 'no'}"
    )
    data = images()
    for name, recipe in recipes(asked.batch).items():
        if asked.only and not name.startswith(asked.only):
            continue
        textbook = Textbook(recipe, data, device)
        named = {"fp32": ours(recipe, data, asked.device, "fp32")}
        if bf16:
            named["bf16"] = ours(recipe, data, asked.device, "bf16")
        base, *taken = seconds_a_turn([textbook, *named.values()], asked.steps, asked.repeats)
        print(f"{name}: textbook fp32 {base * 1e3:.1f} ms a turn")
        for precision, iteration in zip(named, taken, strict=True):
            counted = name.startswith("dcgan")  # torch counts no graph with normalised weights
            share = share_of_peak(named[precision], iteration, precision) if counted else ""
            print(
                f"  ours {precision}: {iteration * 1e3:.1f} ms an iteration, "
                f"{base / iteration:.2f}x{share}"
            )


if __name__ == "__main__":
    main()
