"""Our step beside that of others, on their networks: `python -m benchmarks.peers --peer DIR`.

    python -m benchmarks.peers --peer path/to/mimicry [--peer path/to/PyTorch-GAN]
        [--batch 64] [--repeats 5] [--steps 1] [--only sngan] [--device auto]

DIR is a checkout; nothing of it is installed or copied. Of mimicry (Lee & Town 2020, MIT) this
takes the ResNets of DCGAN-32, SNGAN-32 and WGAN-GP-32 and their own `train_step`; of PyTorch-GAN
(MIT) the script `dcgan.py` with the loop that it is. torchvision and TensorFlow are not needed:
what the scripts import of them is for data and pictures, and stands for itself here. In one run, on
the same networks, batch and data, alternating: the peer, the textbook loop of `benchmarks.step`,
ours in float32 and, where the hardware has it, bf16; and ours on the library's own networks of the
same layers and channels. An iteration is all steps of D and one of G; times are medians, +- half
the distance between the quartiles. Each side is then started as a process of its own: seconds to
the end of its first iteration, and peak memory. The last lines are this machine's convolution and
matmul peaks.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import statistics
import subprocess
import sys
import time
import types
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.step import Textbook, conv_peak, images, matmul_peak, ours, synchronise
from steadygan.data import Dataset
from steadygan.game.optimizers import Adam
from steadygan.game.recipe import Recipe
from steadygan.methods import find
from steadygan.networks.base import Networks
from steadygan.networks.own import OwnNetworks
from steadygan.networks.sngan import SNGANNetworks
from steadygan.parts.normalisation import SpectralNormalisation
from steadygan.training.graphs import WARM_UP
from steadygan.training.inputs import as_played
from steadygan.training.precision import arithmetic_of, find_device, has_bf16
from steadygan.training.status import peak_resident_mib

Turn = Callable[[], None]
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}


def precisions(device: torch.device) -> list[str]:
    """Those that the hardware has."""
    return [*PRECISIONS] if has_bf16(device) else ["fp32"]


# ---- mimicry ---------------------------------------------------------------------------------

#: Of each game: its folder and classes, the method whose recipe plays it here, steps of D, and
#: betas: the defaults of mimicry's README.
MIMICRY = {
    "dcgan": ("dcgan.dcgan_32", "DCGAN", "dcgan", 1, (0.5, 0.999)),
    "sngan": ("sngan.sngan_32", "SNGAN", "sngan", 5, (0.0, 0.9)),
    "wgan-gp": ("wgan_gp.wgan_gp_32", "WGANGP", "wgan-gp", 5, (0.0, 0.9)),
}


def bare_package(name: str, path: Path) -> None:
    """A package of which no `__init__` runs, so that importing a part imports no other."""
    package = types.ModuleType(name)
    package.__path__ = [str(path)]
    sys.modules[name] = package


class Log:
    """What mimicry's steps report their losses to."""

    def add_metric(self, name: str, value: Any, **more: Any) -> None:
        float(value)  # as its own log does


class Mimicry:
    """An iteration of mimicry: its `train_step` for each step of D, and then for G."""

    def __init__(self, checkout: Path, name: str, data: Dataset, batch: int, device: torch.device):
        home = checkout / "torch_mimicry"
        bare_package("torch_mimicry", home)
        bare_package("torch_mimicry.nets", home / "nets")
        module, prefix, self.method, self.d_steps, betas = MIMICRY[name]
        nets = importlib.import_module(f"torch_mimicry.nets.{module}")
        torch.manual_seed(0)
        self.g = getattr(nets, f"{prefix}Generator32")().to(device)
        self.d = getattr(nets, f"{prefix}Discriminator32")().to(device)
        self.g_adam = torch.optim.Adam(self.g.parameters(), 2e-4, betas=betas)
        self.d_adam = torch.optim.Adam(self.d.parameters(), 2e-4, betas=betas)
        self.data, self.batch, self.device, self.log = data, batch, device, Log()
        # The SNGAN net of mimicry is that of its DCGAN with spectral norm in each layer.
        plain = importlib.import_module("torch_mimicry.nets.dcgan.dcgan_32")
        bare = plain.DCGANDiscriminator32().to(device) if name == "sngan" else self.d
        self.recipe = self._recipe(OwnNetworks(generator=self.g, discriminator=bare), betas)
        #: With the library's networks of the same layers and channels. Its G repeats pixels, as in
        #: the paper's code, where mimicry's is bilinear.
        self.library = self._recipe(SNGANNetworks(backbone="resnet"), betas)

    def _recipe(self, networks: Networks, betas: tuple[float, float]) -> Recipe:
        """The same game here."""
        recipe = find(self.method).recipe
        normalised = [p for p in recipe.parts() if isinstance(p, SpectralNormalisation)]
        penalties = tuple(p for p in recipe.on_d if p not in normalised)
        return recipe.changed(
            networks=networks,
            prior=find("sngan").recipe.prior.model_copy(update={"dim": 128}),
            on_d=penalties,
            shared=tuple(normalised),
            d_steps=self.d_steps,
            batch=self.batch,
            optimizer=Adam(lr=2e-4, betas=betas),
        )

    def real(self) -> tuple[torch.Tensor, torch.Tensor]:
        rows = torch.randint(len(self.data.train), (self.batch,)).numpy()
        found = as_played(torch.from_numpy(self.data.train.items[rows])).to(self.device)
        return found, torch.zeros(self.batch)

    def __call__(self) -> None:
        known = {"log_data": self.log, "device": self.device, "global_step": 1}
        for _ in range(self.d_steps):
            batch = self.real()
            self.d.train_step(real_batch=batch, netG=self.g, optD=self.d_adam, **known)
        self.g.train_step(real_batch=batch, netD=self.d, optG=self.g_adam, **known)


# ---- PyTorch-GAN -----------------------------------------------------------------------------


class Scores(nn.Module):
    """The script's D without the sigmoid at its end: its losses are of raw scores here."""

    def __init__(self, d: Any) -> None:
        super().__init__()
        self.model, self.linear = d.model, d.adv_layer[0]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.linear(self.model(images).flatten(1))


class Script:
    """PyTorch-GAN's `dcgan.py`: its source is run with a data set in the place of torchvision's,
    and the seconds of an iteration are those between the lines that it prints."""

    def __init__(self, checkout: Path, data: Dataset, batch: int, iterations: int) -> None:
        self.source = (checkout / "implementations" / "dcgan" / "dcgan.py").read_text()
        items = as_played(torch.from_numpy(data.train.items[: batch * iterations]))
        self.pictures = [(picture, 0) for picture in items]
        self.words = ["dcgan.py", "--n_epochs", "1", "--batch_size", str(batch),
                      "--img_size", str(data.shape[1]), "--channels", str(data.shape[0]),
                      "--sample_interval", "1000000"]  # fmt: skip

    def seconds(self) -> tuple[list[float], dict[str, Any]]:
        """Of each iteration but the first; and what the script has defined."""
        stamps: list[float] = []

        def stamp(text: str = "", *_: object) -> None:
            if str(text).startswith("[Epoch"):
                stamps.append(time.perf_counter())

        vision = types.ModuleType("torchvision")
        parts = {name: types.ModuleType(f"torchvision.{name}")
                 for name in ("transforms", "utils", "datasets")}  # fmt: skip
        for name, module in parts.items():
            setattr(vision, name, module)
            sys.modules[f"torchvision.{name}"] = module
        for name in ("Compose", "Resize", "ToTensor", "Normalize"):
            setattr(parts["transforms"], name, lambda *given: None)
        parts["utils"].save_image = lambda *given, **more: None
        parts["datasets"].MNIST = lambda *given, **more: self.pictures
        sys.modules["torchvision"] = vision
        words, sys.argv = sys.argv, self.words
        defined: dict[str, Any] = {"__name__": "script", "print": stamp}
        try:
            with contextlib.chdir(self._nowhere()):
                exec(compile(self.source, "dcgan.py", "exec"), defined)
        finally:
            sys.argv = words
            for name in ("torchvision", *(f"torchvision.{n}" for n in parts)):
                del sys.modules[name]
        return [b - a for a, b in pairwise(stamps)], defined

    def _nowhere(self) -> str:
        import tempfile

        self.folder = tempfile.TemporaryDirectory()
        (Path(self.folder.name) / "a" / "b").mkdir(parents=True)  # the script makes ../../data
        return str(Path(self.folder.name) / "a" / "b")

    def recipe(self, defined: dict[str, Any], batch: int) -> Recipe:
        """The same game here."""
        with contextlib.redirect_stdout(io.StringIO()):
            g, d = defined["Generator"](), Scores(defined["Discriminator"]())
        dcgan = find("dcgan").recipe
        prior = find("sngan").recipe.prior.model_copy(update={"dim": 100})
        return dcgan.changed(networks=OwnNetworks(generator=g, discriminator=d), prior=prior,
                             batch=batch)  # fmt: skip


# ---- measuring -------------------------------------------------------------------------------


def alternating(turns: dict[str, Turn], steps: int, repeats: int) -> dict[str, list[float]]:
    """Seconds of an iteration, `repeats` times each, in turn; after one that does not count, or on
    a GPU those until graphs are captured."""
    times: dict[str, list[float]] = {name: [] for name in turns}
    for turn in turns.values():
        for _ in range(WARM_UP + 2 if torch.cuda.is_available() else 1):
            turn()
    for _ in range(repeats):
        for name, turn in turns.items():
            started = time.perf_counter()
            for _ in range(steps):
                turn()
            synchronise()
            times[name].append((time.perf_counter() - started) / steps)
    return times


def table(times: dict[str, list[float]], images_seen: int) -> None:
    peer = statistics.median(next(iter(times.values())))
    for name, taken in times.items():
        middle = statistics.median(taken)
        low, _, high = statistics.quantiles(taken, n=4) if len(taken) > 1 else (middle,) * 3
        print(f"  {name:16} {middle * 1e3:9.1f} ms +- {(high - low) / 2 * 1e3:.1f}  "
              f"{images_seen / middle:8.1f} images/s  {peer / middle:.2f}x")  # fmt: skip


def of_mimicry(checkout: Path, asked: argparse.Namespace, device: torch.device) -> None:
    data = images()
    for name in MIMICRY:
        if asked.only and asked.only != name:
            continue
        peer = Mimicry(checkout, name, data, asked.batch, device)
        sides: dict[str, Callable[[], Turn]] = {
            "mimicry": lambda peer=peer: peer,
            "textbook": lambda peer=peer: Textbook(peer.recipe, data, device),
        }
        for precision in precisions(device):
            for networks, recipe in (("ours", peer.recipe), ("own nets", peer.library)):
                turn = partial(ours, recipe, data, asked.device, precision)
                sides[f"{networks} {precision}"] = turn
        if asked.side:
            alone(sides[asked.side](), asked.began)
            continue
        print(f"{name}-32 of mimicry, batch {asked.batch}, {peer.d_steps} step(s) of D")
        turns = {side: make() for side, make in sides.items()}
        table(alternating(turns, asked.steps, asked.repeats), asked.batch * peer.d_steps)
        for side in sides:
            given = ["--peer", checkout, "--only", name, "--side", side, "--batch", asked.batch]
            command = [sys.executable, "-m", "benchmarks.peers", *given, "--device", asked.device]
            words = [str(word) for word in (*command, "--began", time.time())]
            print(f"  {side:16} in a process of its own:", end=" ", flush=True)
            subprocess.run(words, check=True)


def alone(turn: Turn, began: float) -> None:
    """What a process that `began` then takes: to the end of its first iteration, and of memory."""
    turn()
    synchronise()
    taken = time.time() - began
    turn()
    peak = peak_resident_mib()
    there = torch.cuda.max_memory_allocated() / 2**20 if torch.cuda.is_available() else 0
    held = f", {there:,.0f} MiB of the GPU" if there else ""
    print(f"first iteration after {taken:.1f} s, peak memory {peak:,.0f} MiB{held}")


def of_script(checkout: Path, asked: argparse.Namespace, device: torch.device) -> None:
    data = images()
    script = Script(checkout, data, asked.batch, iterations=20)
    times: dict[str, list[float]] = {"PyTorch-GAN": []}
    turns: dict[str, Turn] = {}
    for _ in range(asked.repeats):
        taken, defined = script.seconds()
        times["PyTorch-GAN"].append(statistics.median(taken))
        if not turns:
            for precision in precisions(device):
                recipe = script.recipe(defined, asked.batch)
                turns[f"ours {precision}"] = ours(recipe, data, asked.device, precision)
                turns[f"ours {precision}"]()
        for name, turn in turns.items():
            own = []
            for _ in range(len(taken)):
                started = time.perf_counter()
                turn()
                synchronise()
                own.append(time.perf_counter() - started)
            times.setdefault(name, []).append(statistics.median(own))
    print(f"dcgan.py of PyTorch-GAN, batch {asked.batch}, 32x32x3, its DataLoader included")
    table(times, asked.batch)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--peer", type=Path, action="append", required=True)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--steps", type=int, default=1)
    parser.add_argument("--only", choices=sorted(MIMICRY))
    parser.add_argument("--side", help=argparse.SUPPRESS)  # one of them, in a process of its own
    parser.add_argument("--began", type=float, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    device = find_device(asked.device)
    if asked.side:
        of_mimicry(asked.peer[0], asked, device)
        return
    print(f"{device.type} {arithmetic_of(device)}, torch {torch.__version__}, "
          f"{torch.get_num_threads()} threads")  # fmt: skip
    for checkout in asked.peer:
        if (checkout / "torch_mimicry").is_dir():
            of_mimicry(checkout, asked, device)
        elif (checkout / "implementations" / "dcgan" / "dcgan.py").is_file():
            of_script(checkout, asked, device)
        else:
            parser.error(f"--peer {checkout}: is no checkout of mimicry or of PyTorch-GAN")
    for dtype in (PRECISIONS[name] for name in precisions(device)):
        rates = conv_peak(device, dtype) / 1e12, matmul_peak(device, dtype) / 1e12
        print(f"peaks here, {dtype}: convolution {rates[0]:.2f}, matmul {rates[1]:.2f} TFLOP/s")


if __name__ == "__main__":
    main()
