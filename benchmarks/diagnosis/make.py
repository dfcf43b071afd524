"""Train the runs that the diagnosis is scored on, and keep their signals.

    python -m benchmarks.diagnosis.make --out runs.jsonl [--jobs 2] [--only KIND,...]
        [--part known|held|good|more|new|wide|light] [--limit N]

A line a run: what run.json and history.jsonl hold (no weight, no picture), and the outcome, which
the rules never see: the share of 1,000 samples of the average that a classifier of the data
recognises, how many classes they show, and how far their Frechet distance lies on the way from
held-out images, 0, to uniform noise, 1 (roots). Runs are of 16 px ("mnist") or 28 ("mnist@28"),
one thread each, 20 to 100 s.
Interrupted, it goes on with the runs that are missing.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing as mp
import random
import shutil
import tempfile
import time
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.diagnosis.kinds import (
    BY_NAME,
    HELD_DATA,
    HELD_KINDS,
    HELD_METHODS,
    HELD_SEEDS,
    IN_SPLIT,
    KINDS,
    LENGTHS,
    LIGHT,
    MORE_SEEDS,
    QUICK,
    SEEDS,
    STEPS_OF,
    WIDE_SEEDS,
    Kind,
)
from steadygan.data import Dataset, DataSettings, open_data
from steadygan.diagnosis.recorder import Prober
from steadygan.errors import SteadyGanError
from steadygan.features.classifier import Classifier, classifier_of
from steadygan.game.recipe import Recipe
from steadygan.methods import find
from steadygan.metrics.frechet import frechet_distance, moments
from steadygan.metrics.recognisable import share_recognised
from steadygan.recipes.overrides import flat
from steadygan.study.compose import compose
from steadygan.training import Goal, Hooks, LogSchedule, Trainer, pictures, train
from steadygan.training.inputs import as_played
from steadygan.training.runfolder import read_facts, read_history

DATA = ("mnist", HELD_DATA)
SIZE = 16
COUNT = 1000
#: Smaller batches and higher rates than those of the light presets, for runs of half a minute.
FAST: dict[str, dict[str, str]] = {
    "dcgan": {"batch": "32", "lr": "1.5e-3"},
    "lsgan": {"batch": "32", "d_optimizer.lr": "6e-4", "g_optimizer.lr": "2e-3"},
    "dragan": {"batch": "32", "lr": "1.5e-3"},
    "wgan": {"batch": "32", "lr": "1e-3"},
    "wgan-gp": {"batch": "32", "lr": "2e-3"},
    "gan": {"batch": "32"},
    "infogan": {"batch": "32", "d_optimizer.lr": "6e-4"},
}


@lru_cache(maxsize=4)
def data_of(name: str) -> Dataset:
    """A data set at 16 px, or "NAME@SIZE" at that size."""
    name, _, size = name.partition("@")
    return open_data(name, DataSettings(size=int(size or SIZE)))


@lru_cache(maxsize=4)
def judge_of(name: str) -> tuple[Classifier, Any, float, float]:
    """The classifier, moments of held-out images, and the roots of the distances of other real
    images and of noise."""
    data = data_of(name)
    classifier = classifier_of(data, lambda text: None)
    rows = np.linspace(0, len(data.test.items) - 1, COUNT).astype(int)
    others = np.linspace(0, len(data.train.items) - 1, COUNT).astype(int)
    held = _features(classifier, as_played(torch.from_numpy(data.test.items[rows])))
    real = _features(classifier, as_played(torch.from_numpy(data.train.items[others])))
    random = torch.Generator().manual_seed(0)
    noise = _features(classifier, torch.rand((COUNT, *data.shape), generator=random) * 2 - 1)
    base = moments(held)
    return classifier, base, *(float(frechet_distance(base, moments(f))) ** 0.5
                               for f in (real, noise))  # type: ignore[return-value]  # fmt: skip


def _features(classifier: Classifier, images: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return classifier.network[:-1](images)  # type: ignore[index]


def recipe_of(kind: Kind, method: str, data: Dataset) -> Recipe:
    """The recipe as a user would have set it up."""
    fast = {} if kind.seconds else FAST.get(method, {})
    small = {"preset": "light", **fast}
    plain = compose(find(method), data.shape, small)
    keys = {}
    for key, value in kind.settings.items():
        if isinstance(value, tuple):  # ("x", factor): times what it is
            value = float(flat(plain)[key]) * value[1]
        keys[key] = str(value)
    return compose(find(method), data.shape, {**small, **keys}, kind.add, kind.drop)


def run(job: tuple[str, str, str, int]) -> dict[str, Any]:
    """One run, and its line."""
    name, method, data_name, seed = job
    kind, whole = BY_NAME[name], data_of(data_name)
    data = kind.data(whole) if kind.data is not None else whole
    found = trained(kind, recipe_of(kind, method, data), data, data_name, seed)
    return {"kind": name, "method": method, "data": data_name, "seed": seed, **found}


def trained(kind: Kind, recipe: Recipe, data: Dataset, data_name: str, seed: int,
            times: int = 1) -> dict[str, Any]:  # fmt: skip
    """A run of `recipe` `times` as long as its kind's and method's are: its signals, outcome."""
    torch.set_num_threads(1)
    goal = Goal(budget_seconds=kind.seconds)
    if not kind.seconds:
        goal = Goal(steps=STEPS_OF[recipe.method] * LENGTHS.get(kind.name, 8) * times // 8)
    prober, patched = Prober(goal), []

    def evaluate(trainer: Trainer) -> dict[str, Any] | None:
        if not patched:
            patched.append(trainer)
            if kind.patch is not None:
                kind.patch(trainer)
        return prober(trainer)

    folder = Path(tempfile.mkdtemp()) / "run"
    started, error = time.time(), ""
    schedule = LogSchedule(log_every=25, save_every=0)
    try:
        train(recipe, data, out=folder, steps=goal.steps,
              budget_minutes=kind.seconds and kind.seconds / 60, seed=seed, device="cpu",
              precision="fp32", schedule=schedule, hooks=Hooks(evaluate=evaluate))  # fmt: skip
    except SteadyGanError as failed:
        error = str(failed)
    found = {"error": error, "seconds": round(time.time() - started, 1),
             "facts": {k: v for k, v in read_facts(folder).items() if k in KEPT},
             "history": [_short(each) for each in read_history(folder)],
             "outcome": outcome(patched[0], data_name)}  # fmt: skip
    shutil.rmtree(folder.parent)
    return found


KEPT = ("method", "recipe", "data", "goal", "status", "seed", "parameters")


def _short(line: dict[str, Any]) -> dict[str, Any]:
    """A history line in fewer characters: no pictures, no histogram, five digits."""
    found = {}
    for key, value in line.items():
        if isinstance(value, float):
            found[key] = float(f"{value:.5g}")
        elif isinstance(value, int):
            found[key] = value
        elif key == "probe":
            found[key] = _short(value)
    return found


def outcome(trainer: Trainer, data_name: str) -> dict[str, float]:
    """How good the samples of the average are, by what no probe sees."""
    classifier, base, real, noise = judge_of(data_name)
    prior = trainer.recipe.sampling_prior(trainer.data.classes)
    latents = prior.sample(COUNT, torch.Generator().manual_seed(7))
    images = torch.cat(list(pictures.generate(trainer.state.g_ema, latents, 250)))
    if not bool(images.isfinite().all()):
        return {"share": 0.0, "classes": 0, "way": 9.0}
    share, classes = share_recognised(classifier, images)
    distance = float(frechet_distance(base, moments(_features(classifier, images)))) ** 0.5
    return {"share": share, "classes": classes, "way": (distance - real) / (noise - real)}


def jobs(part: str) -> Iterator[tuple[str, str, str, int]]:
    """Known: what may be looked at while rules are tuned. Held: where two or more of kind, method,
    data and seed are held out. Good: healthy runs of all methods that are in neither; more: further
    seeds of those that are good soon; new: kinds that came after the split; wide: kinds of all
    parts at 28 px; light: the light presets as they are, there."""
    if part == "light":  # each method on one of the data sets first, then on the other
        for turn in range(len(DATA)):
            for n, method in enumerate(LIGHT.methods):
                yield LIGHT.name, method, f"{DATA[(n + turn) % len(DATA)]}@28", WIDE_SEEDS[0]
        return
    if part == "wide":
        for kind in KINDS[:IN_SPLIT]:
            for method in kind.methods:
                for data in DATA:
                    for seed in WIDE_SEEDS:
                        yield kind.name, method, f"{data}@28", seed
        return
    for seed in (*SEEDS, *MORE_SEEDS):
        for kind in KINDS:
            for method in () if kind is LIGHT else kind.methods:
                for data in DATA:
                    if part_of(kind, method, data, seed) == part:
                        yield kind.name, method, data, seed


def part_of(kind: Kind, method: str, data: str, seed: int) -> str:
    """The part that a run belongs to; "" for none."""
    if seed in MORE_SEEDS:
        quick = method in QUICK and kind.name in ("healthy", "healthy-others")
        return "more" if quick else ""
    if kind.name == "healthy-others":
        return "good" if seed < 3 else ""
    if kind in KINDS[IN_SPLIT:]:
        return "new"
    held = sum([kind.name in HELD_KINDS, method in HELD_METHODS, data == HELD_DATA,
                seed in HELD_SEEDS])  # fmt: skip
    if held >= 2:
        return "held"
    if not held:
        return "known"
    return "good" if kind.name.startswith("healthy") else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--jobs", type=int, default=2)
    parts = ("known", "held", "good", "more", "new", "wide", "light")
    parser.add_argument("--part", choices=parts, default="known")
    parser.add_argument("--only", default="")
    parser.add_argument("--limit", type=int, default=10**9)
    asked = parser.parse_args()
    done = set()
    if asked.out.exists():
        lines = (json.loads(text) for text in asked.out.read_text().splitlines())
        done = {(x["kind"], x["method"], x["data"], x["seed"]) for x in lines}
    only = set(asked.only.split(",")) - {""}
    every = [job for job in jobs(asked.part) if not only or job[0] in only]
    if asked.part not in ("known", "light"):
        random.Random(0).shuffle(every)  # any first part of it is a sample of the whole
    wanted = every[: asked.limit]
    for name in {job[2] for job in wanted}:
        judge_of(name)  # trains and caches the classifiers
    left = [job for job in wanted if job not in done]
    print(f"{len(wanted)} runs, {len(left)} to train", flush=True)
    with mp.get_context("spawn").Pool(asked.jobs) as pool, asked.out.open("a") as file:
        for n, line in enumerate(pool.imap_unordered(run, left), 1):
            file.write(json.dumps(line) + "\n")
            file.flush()
            told = {k: round(v, 3) for k, v in line["outcome"].items()}
            print(f"{n}/{len(left)} {line['kind']} {line['method']} {line['data']} "
                  f"{line['seed']} {line['seconds']} s {told} {line['error'][:60]}",
                  flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
