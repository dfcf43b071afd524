"""What the diagnosis costs: `python -m benchmarks.probes [--steps 400]`.

The share of a run that probes take, and the time of a watched loop over that of the same loop
unwatched (their runs alternate; medians of three), on DCGAN's light networks at 28 px, batch 64.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import torch
from torch.nn.functional import softplus

from steadygan.data import open_data
from steadygan.diagnosis.recorder import Prober
from steadygan.methods import find
from steadygan.recipes.overrides import override_all
from steadygan.training import Goal, Hooks, Trainer, train
from steadygan.training.inputs import as_played
from steadygan.watching import watch


def share_of_probes(method: str, steps: int) -> tuple[float, int]:
    """Seconds of probes over seconds of training, and how many probes there were."""
    chosen = find(method)
    recipe = override_all(chosen.recipe, chosen.presets["light"], "preset light")
    goal, seen = Goal(steps=steps), list[Trainer]()
    prober = Prober(goal)
    with tempfile.TemporaryDirectory() as folder:
        hooks = Hooks(evaluate=prober, on_iteration=seen.append)
        train(recipe, "mnist", out=Path(folder, "run"), steps=steps, device="cpu", hooks=hooks)
        lines = Path(folder, "run/history.jsonl").read_text().splitlines()
    return prober.spent / seen[-1].seconds, sum('"probe"' in line for line in lines)


def loop(steps: int, watched: bool) -> float:
    """Seconds of a plain torch loop."""
    torch.manual_seed(0)
    recipe = override_all(find("dcgan").recipe, find("dcgan").presets["light"], "preset light")
    built = recipe.networks.build((1, 28, 28), 100)
    g, d = built["generator"], built["discriminator"]
    optimizers = [torch.optim.Adam(net.parameters(), 5e-4, betas=(0.5, 0.999)) for net in (g, d)]
    images = as_played(torch.from_numpy(open_data("mnist").train.items[:2048].copy()))
    watcher = watch(g, d, say=lambda text: None) if watched else None
    started = time.perf_counter()
    for _ in range(steps):
        real = images[torch.randint(len(images), (64,))]
        fake = g(torch.rand(64, 100) * 2 - 1)
        optimizers[1].zero_grad()
        (softplus(-d(real)).mean() + softplus(d(fake.detach())).mean()).backward()
        optimizers[1].step()
        optimizers[0].zero_grad()
        softplus(-d(fake)).mean().backward()
        optimizers[0].step()
    taken = time.perf_counter() - started
    if watcher is not None:
        print(f"  {len(watcher.history)} probes, {watcher.spent / taken:.1%} of the time")
        watcher.close()
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=400)
    asked = parser.parse_args()
    for method in ("dcgan", "wgan-gp"):
        steps = asked.steps if method == "dcgan" else asked.steps // 4
        share, count = share_of_probes(method, steps)
        print(f"{method}, {steps} steps: {count} probes, {share:.1%} of the training time")
    taken = [[loop(asked.steps // 2, watched) for watched in (False, True)] for _ in range(3)]
    plain, watched = (statistics.median(each) for each in zip(*taken, strict=True))
    print(f"a watched loop takes {watched / plain:.3f} of the time of the plain one")


if __name__ == "__main__":
    main()
