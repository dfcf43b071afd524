"""The properties of methods that only training shows, measured: a Markdown table.

    python -m benchmarks.properties [--only NAME,NAME] [--scale 1.0]

Each property is a function that trains small games from fixed seeds, on one thread, and holds one
number against a bound. `--scale` multiplies the numbers of training steps. The last column is CPU
seconds.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from benchmarks.trained import (
    decode_error,
    drawn_latents,
    energy_distance,
    game,
    held_out,
    overtrain_d,
    played,
    samples,
    slopes_under_a_sure_d,
)
from steadygan.data import open_data
from steadygan.features.classifier import classifier_of
from steadygan.game.player import frozen_buffers
from steadygan.losses.objectives import bce_d_loss, minimax_g_loss, wasserstein_d_loss
from steadygan.losses.penalties import gradient_penalty, r1_penalty
from steadygan.methods import find
from steadygan.networks.labels import split_class
from steadygan.networks.spectral import normalised_layers


@dataclass(frozen=True)
class Finding:
    """One row: what was measured, in words and numbers, the bound, and whether it holds."""

    what: str
    measured: str
    bound: str
    holds: bool


PROPERTIES: dict[str, Callable[[float], list[Finding]]] = {}


def measured(measure: Callable[[float], list[Finding]]) -> Callable[[float], list[Finding]]:
    """Enter a property under its function's name."""
    PROPERTIES[measure.__name__.replace("_", "-")] = measure
    return measure


# ---- critics -----------------------------------------------------------------------------------


@measured
def gradient_penalty_slope(scale: float) -> list[Finding]:
    """WGAN-GP's critic between two narrow Gaussians of the plane, G left out."""
    found = []
    for distance in (0.5, 1.0, 2.0):
        torch.manual_seed(0)
        networks = find("wgan-gp").vector_networks
        critic = networks.build((2,), 2)["discriminator"]
        adam = torch.optim.Adam(critic.parameters(), 1e-4, betas=(0.5, 0.9), fused=True)
        random = torch.Generator().manual_seed(0)
        norms: list[Tensor] = []
        steps = round(800 * scale)
        for step in range(steps):
            real = 0.05 * torch.randn(64, 2, generator=random) + torch.tensor([distance, 0.0])
            fake = 0.05 * torch.randn(64, 2, generator=random)
            seen = norms.append if step >= 0.9 * steps else None
            loss = wasserstein_d_loss(critic(real), critic(fake))
            loss = loss + 10.0 * gradient_penalty(critic, real, fake, random, on_norms=seen)
            adam.zero_grad()
            loss.backward()
            adam.step()
        found.append(torch.cat(norms).mean().item())
    return [
        Finding(
            "WGAN-GP: mean gradient norm of a trained critic, Gaussians .5, 1, 2 apart",
            ", ".join(f"{norm:.3f}" for norm in found),
            "each in [.8, 1.2]",
            all(0.8 <= norm <= 1.2 for norm in found),
        )
    ]


@measured
def spectral_norm(scale: float) -> list[Finding]:
    """Top singular values of D's normalised weights, by SVD, while SNGAN trains."""
    trainer = played(game("sngan", open_data("mnist"), preset="light"), 100 * scale)
    critic = trainer.state.discriminator
    with torch.no_grad():
        tops = [
            torch.linalg.svdvals(norm.matrix(norm(weight)).double())[0].item()
            for _, norm, weight in normalised_layers(critic)
        ]
    return [
        Finding(
            f"SNGAN: top singular value of each of D's {len(tops)} weights",
            f"{min(tops):.4f} to {max(tops):.4f}",
            "all in [.95, 1.05]",
            all(0.95 <= top <= 1.05 for top in tops),
        )
    ]


@measured
def weight_clip(scale: float) -> list[Finding]:
    """Where the weights of critics are that go on alone: WGAN's, from a start well inside its box,
    and WGAN-GP's. Spread evenly, 5 % would be beyond 95 % of the largest."""
    data, shares = open_data("ring"), []
    trainer = game("wgan", data)
    critic = trainer.state.players["d"]
    with torch.no_grad():
        for weight in critic.parameters:
            weight.mul_(0.005 / weight.abs().max())
    for updates in (1, 50, 100, 200):
        overtrain_d(trainer, updates * scale)
        shares.append(trainer.recipe.on_d[0].signals(critic)["clipped_share"].item())
        trainer.iteration += 1  # so that the next updates have streams of their own
    penalised = game("wgan-gp", data, width=128, d_width=128)
    overtrain_d(penalised, 100 * scale)
    weights = torch.cat([w.flatten() for w in penalised.state.players["d"].parameters]).abs()
    free = (weights > 0.95 * weights.max()).float().mean().item()
    return [
        Finding(
            "WGAN: share of a critic's weights beyond 95 % of the clip after 1, 51, 151, 351 steps "
            f"(WGAN-GP, of its largest weight: {free:.4f})",
            ", ".join(f"{share:.2f}" for share in shares),
            "rises, to more than .2",
            all(b > a for a, b in pairwise(shares)) and shares[-1] > 0.2 > free,
        )
    ]


@measured
def dirac(scale: float) -> list[Finding]:
    """The Dirac-GAN: real at 0, fake at theta, C(x) = psi x, zero-sum binary cross entropy."""
    ends = {}
    for gamma in (0.0, 1.0):
        theta, psi = (torch.ones(1, 1, dtype=torch.float64) for _ in range(2))
        real, radii = torch.zeros(1, 1, dtype=torch.float64), []
        for _ in range(round(1000 * scale)):
            weight = psi.clone().requires_grad_(True)
            loss = bce_d_loss(real @ weight, theta @ weight)
            loss = loss + gamma * r1_penalty(lambda x, w=weight: x @ w, real)
            psi = psi - 0.1 * torch.autograd.grad(loss, weight)[0]
            fake = theta.clone().requires_grad_(True)
            theta = theta - 0.1 * torch.autograd.grad(minimax_g_loss(fake @ psi), fake)[0]
            radii.append(math.hypot(theta.item(), psi.item()))
        ends[gamma] = radii[-len(radii) // 5 :]
    bare, held = min(ends[0.0]), max(ends[1.0])
    return [
        Finding("Dirac-GAN, bare: least distance from 0 in the last fifth (start: 1.41)",
                f"{bare:.3f}", "above 1: it orbits", bare > 1),
        Finding("Dirac-GAN with R1, gamma 1: greatest distance there", f"{held:.1e}",
                "below .001", held < 1e-3),
    ]  # fmt: skip


# ---- constraints on G and D ----------------------------------------------------------------------


@measured
def decoding(scale: float) -> list[Finding]:
    """The decoding constraint beside DCGAN with the same networks, prior and number of turns."""
    data, rows, games, divergence = open_data("mnist"), {}, {}, {}
    for method, keys in (("dcgan", {"prior": "normal"}), ("decoding", {})):
        trainer = games[method] = played(game(method, data, preset="light", **keys), 250 * scale)
        losses = []
        for _ in range(round(50 * scale)):
            played(trainer, 1)
            losses.append(trainer.last["d"].losses["adversarial"].item())
        divergence[method] = math.log(2) - statistics.mean(losses) / 2
    rebuilt = {method: decode_error(games["decoding"], games[method]) for method in games}
    for method, trainer in games.items():
        rows[method] = slopes_under_a_sure_d(trainer, scale)
    (bare_right, bare, _), (held_right, held, whole) = rows["dcgan"], rows["decoding"]
    return [
        Finding(
            "gradient norm of G's saturating loss under an over-trained D: DCGAN; decoding; "
            "decoding with its decode step's",
            f"{bare:.1e}; {held:.1e}; {whole:.1e}, D right about {bare_right:.1%}, "
            f"{held_right:.1%}",
            "the last larger than DCGAN's, D right about 99 %",
            whole > bare and min(bare_right, held_right) >= 0.99,
        ),
        Finding(
            "squared error of G(h(x)) against x at the end: DCGAN; decoding",
            f"{rebuilt['dcgan']:.3f}; {rebuilt['decoding']:.3f}",
            "falls",
            rebuilt["decoding"] < rebuilt["dcgan"],
        ),
        Finding(
            "log 2 - L_D / 2, the estimate of the JS divergence, over the last sixth: DCGAN; "
            "decoding (log 2 = .693)",
            f"{divergence['dcgan']:.3f}; {divergence['decoding']:.3f}",
            "falls",
            divergence["decoding"] < divergence["dcgan"],
        ),
    ]


@measured
def discriminator_l2(scale: float) -> list[Finding]:
    """The L2 constraint on D's relative output: an over-trained D still lets G learn."""
    data, rows = open_data("mnist"), {}
    for method in ("sngan", "sngan-dl2"):
        trainer = played(game(method, data, preset="light"), 60 * scale)
        rows[method] = slopes_under_a_sure_d(trainer, scale)
    (bare_right, bare, _), (held_right, held, _) = rows["sngan"], rows["sngan-dl2"]
    return [
        Finding(
            "gradient norm of G's saturating loss under an over-trained D (right about "
            f"{bare_right:.0%} and {held_right:.0%}): SNGAN, and with discriminator-l2",
            f"{bare:.2e}, {held:.2e}",
            "the constrained one larger",
            held > bare,
        ),
    ]


#: SNGAN in the plane, where one D step a turn lets the game circle.
PLANE = {"d_steps": 3, "shared_latents": False, "lr": 5e-4}


@measured
def generator_l2(scale: float) -> list[Finding]:
    """A strong L2 constraint on G pulls samples to the middle of the data."""
    data, found = open_data("ring"), []
    real = held_out(data, 2000)
    for weight in (0.0, 0.5, 5.0):
        trainer = game("sngan-gl2", data, generator_l2__weight=weight, **PLANE)
        made = samples(played(trainer, 300 * scale), 2000)
        found.append((made.var(0).sum().item(), torch.cdist(made, real).mean().item()))
    spreads, distances = zip(*found, strict=True)
    return [
        Finding(
            f"generator-l2 on `ring`, weight 0; .5; 5: {what}",
            "; ".join(f"{value:.3f}" for value in values),
            "falls",
            values[0] > values[1] > values[2],
        )
        for what, values in (
            (f"variance of samples (data: {real.var(0).sum().item():.2f})", spreads),
            ("mean distance of samples to data", distances),
        )
    ]


SEEDS = 8


@measured
def seed_spread(scale: float) -> list[Finding]:
    """Does a run come out alike with another seed? SNGAN without and with its L2 constraints."""
    data, ends = open_data("ring"), {}
    real = held_out(data, 2000)
    for method in ("sngan", "sngan-gl2", "sngan-dl2", "sngan-l2"):
        for seed in range(SEEDS):
            trainer = game(method, data, seed=seed, **PLANE)
            for iterations in (300, 600):
                played(trainer, 300 * scale)
                distance = energy_distance(samples(trainer, 2000), real)
                ends.setdefault((iterations, method), []).append(distance)
    found = []
    for (iterations, method), distances in sorted(ends.items(), key=lambda item: item[0][0]):
        spread, bare = (statistics.stdev(d) for d in (distances, ends[iterations, "sngan"]))
        found.append(
            Finding(
                f"{method} on `ring`, {iterations} turns: energy distance to data, {SEEDS} seeds",
                f"{statistics.mean(distances):.3f} ± {spread:.3f}",
                "" if method == "sngan" else "± below SNGAN's",
                method == "sngan" or spread < bare,
            )
        )
    return found


@measured
def mutual_information(scale: float) -> list[Finding]:
    """InfoGAN's bound L_I on the information of its category, log 10 = 2.303 at best."""
    trainer = played(game("infogan", open_data("mnist"), preset="light"), 250 * scale)
    seen = []
    for _ in range(10):
        played(trainer, 1)
        seen.append(trainer.last["g"].context.signals["mutual_information"].item())
    share = statistics.mean(seen) / math.log(10)
    return [
        Finding("InfoGAN: L_I as a share of log K, K = 10 categories", f"{share:.3f}",
                "above .9", share > 0.9),
    ]  # fmt: skip


@measured
def classes(scale: float) -> list[Finding]:
    """Does a conditional generator show the class it is asked for, to a classifier of the data?"""
    data, found = open_data("mnist"), {}
    judge = classifier_of(data, lambda text: None)
    for method in ("multiclass-lsgan", "acgan"):
        trainer = played(game(method, data, preset="light"), 250 * scale)
        latents = drawn_latents(trainer, 1000)
        with torch.no_grad():
            chosen = judge.probabilities(trainer.state.g_ema(latents)).argmax(1)
        found[method] = (chosen == split_class(latents)[1]).float().mean().item()
    return [
        Finding(f"{method}: share of samples of the class asked for (chance: at most .10)",
                f"{share:.2f}", "above .3", share > 0.3)
        for method, share in found.items()
    ]  # fmt: skip


@measured
@torch.no_grad()
def bigan_inverse(scale: float) -> list[Finding]:
    """BiGAN's encoder and generator become each other's inverse."""
    data = open_data("mnist")
    trainer, real, errors = game("bigan", data, preset="light"), held_out(data, 512), []
    for iterations in (20, 300):
        with torch.enable_grad():
            played(trainer, iterations * scale)
        g, e = trainer.state.generator, trainer.state.players["g"]["encoder"]
        latents = drawn_latents(trainer, 512)
        with frozen_buffers(g), frozen_buffers(e):
            images = (g(e(real)) - real).square().mean().item()
            codes = (e(g(latents)) - latents).square().mean().item()
        errors.append((images, codes))
    return [
        Finding(f"BiGAN: mean squared error of {what} after 20; 320 turns",
                "; ".join(f"{e:.3f}" for e in pair), "falls", pair[1] < pair[0])
        for what, pair in zip(("G(E(x))", "E(G(z))"), zip(*errors, strict=True), strict=True)
    ]  # fmt: skip


# ---- the table -----------------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--only", default="", help=f"of {', '.join(PROPERTIES)}")
    parser.add_argument("--scale", type=float, default=1.0)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    names = [name.strip() for name in asked.only.split(",") if name.strip()] or list(PROPERTIES)
    if unknown := [name for name in names if name not in PROPERTIES]:
        parser.error(f"no property {unknown[0]}: {', '.join(PROPERTIES)}")
    print("| property | measured | bound | holds | CPU s |\n|---|---|---|---|---|", flush=True)
    for name in names:
        started = time.process_time()
        findings = PROPERTIES[name](asked.scale)
        seconds = f"{time.process_time() - started:.0f}"
        for i, row in enumerate(findings):
            verdict = "yes" if row.holds else "**no**"
            cells = (
                row.what,
                row.measured,
                row.bound,
                verdict if row.bound else "",
                seconds if i == 0 else "",
            )
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
