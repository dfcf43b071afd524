"""Tables as papers lay them out: those of Chen, Chen, He & Zhu 2022, "GANs under Decoding
Constraint", doi:10.16383/j.aas.c190496. Their numbers are of other data and features than ours: the
layout is for comparing rankings, never values.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from steadygan.game.objective import Objective
from steadygan.game.part import Part
from steadygan.stability.curve import DISTANCES
from steadygan.stability.signals import number
from steadygan.study import papers
from steadygan.study.render import Cell, Table
from steadygan.study.results import EntryResult, Results, RunResult
from steadygan.study.statistics import Spread, spread

TRAINING_SET = "training set"
#: The decoding variants in the order of the paper's tables 2 and 3; the last is its own method.
VARIANTS = ("normal features", "uniform features", "L1", "L2*", "L2")


def paper(results: Results) -> list[Table]:
    """Tables 5 / 6 (methods), 2 / 3 (decoding variants), 1 (auto-encoder) and 4 (time cost), and
    the settings in which the methods differ from their own papers."""
    tables = [methods(results), decoding(results), autoencoder(results), time_cost(results),
              papers.settings(results)]  # fmt: skip
    return [table for table in tables if table.rows]


def optimises(recipe: Mapping[str, Any]) -> str:
    """What is optimised, in the words of the papers' tables."""
    objective = recipe.get("objective") or {}
    said = str(objective.get("name", ""))
    with suppress(ValueError):  # a user's own class is not imported for this
        said = Objective.read(objective).optimises or said
    for part in recipe.get("on_d") or ():
        known = Part.members().get(part["name"])
        said = (known and known.optimises) or said
    if recipe.get("g_adversarial") == 0:  # G's loss has no adversarial term
        said = ", ".join(part["name"] for part in recipe.get("on_g", ())).replace("-", " ")
    if recipe.get("method") == "decoding" and recipe.get("decode_weight", 1):
        said = said.removesuffix(" divergence") + " + λ·KL divergence"
    return said


# ---- tables 5 and 6 ----------------------------------------------------------------------------


def methods(results: Results) -> Table:
    """Epochs, what is optimised, parameters in millions, IS, FID, sharpness."""
    head = ["model", "epochs", "optimises", "parameters (10^6)", *_measured(results)]
    rows: list[list[Cell]] = [[TRAINING_SET, "-", "-", "-", *_of_real(results)]]
    rows += [
        [entry.name, epochs(entry), optimises(entry.recipe), parameters_said(entry),
         *_of_samples(results, entry)]
        for entry in results.entries
    ]  # fmt: skip
    return Table("methods", f"Comparison on {results.data}", head, rows, _note(results))


def _measured(results: Results) -> list[str]:
    scored = [results.title_of(key) for key in ("inception_score", _distance(results))]
    return [*scored, "mean sharpness", "ΔSharp"]


def _of_real(results: Results) -> list[Cell]:
    real = results.first("measures", "quality", "real") or {}
    return [number(real.get("inception_score")), 0.0, number(real.get("sharpness")), 0.0]


def _of_samples(results: Results, entry: EntryResult) -> list[Cell]:
    keys = ("inception_score", _distance(results), "sharpness", "sharpness_difference")
    return [entry.spread(key, "last") for key in keys]


def _distance(results: Results) -> str:
    """FID, as in the papers, or what a study of too few images for that has in its place."""
    known = (key for key in ("fid", *DISTANCES)
             if any(run.value(key, "last") is not None for run in results.runs))  # fmt: skip
    return next(known, "fid")


def _note(results: Results) -> str:
    seeds = len(results.study["seeds"])
    return f"Mean ± standard deviation over {seeds} training seed{'s' * (seeds > 1)}, last step."


def epochs(entry: EntryResult) -> Spread | None:
    """How often D has seen the training images, in finished runs: those with measures."""
    train = number(entry.first("data", "train"))
    images = [run.count("status", "images") for run in entry.runs if run.state == "finished"]
    return spread([n / train for n in images if n is not None]) if train else None


def parameters(entry: EntryResult) -> int | None:
    """Parameters of every network that was trained."""
    sizes = entry.first("parameters")
    return (papers.total(sizes) if isinstance(sizes, Mapping) else 0) or None


def parameters_said(entry: EntryResult) -> str | None:
    """In millions; those of an auto-encoder apart, as `9.45 + 0.84`."""
    if (all_of_them := parameters(entry)) is None:
        return None
    apart = number(entry.first("parameters", "autoencoder"))
    if not apart:
        return f"{all_of_them / 1e6:.2f}"
    return f"{(all_of_them - apart) / 1e6:.2f} + {apart / 1e6:.2f}"


# ---- tables 2 and 3 ----------------------------------------------------------------------------


def decoding(results: Results) -> Table:
    """The variants of the decoding constraint, in the order of the paper."""
    found = [
        (variant(e.recipe), e) for e in results.entries if e.recipe.get("method") == "decoding"
    ]
    found.sort(key=lambda pair: VARIANTS.index(pair[0]) if pair[0] in VARIANTS else len(VARIANTS))
    rows: list[list[Cell]] = [[name, *_of_samples(results, entry)] for name, entry in found]
    if rows:
        rows.insert(0, [TRAINING_SET, *_of_real(results)])
    title = f"Decoding experiments, {results.data}"
    return Table("decoding", title, ["variant", *_measured(results)], rows, _note(results))


def variant(recipe: Mapping[str, Any]) -> str:
    """What the paper's tables call a variant; other settings by what they are."""
    features, decode = recipe.get("features", "encoder"), recipe.get("decode", "l2")
    if features != "encoder":
        return f"{features} features" if decode == "l2" else f"{features} features, {decode}"
    name = {"l1": "L1", "l2": "L2", "joint": "L2*"}.get(decode, str(decode))
    return name if recipe.get("ae", "unet") == "unet" else f"{name}, {recipe['ae']} auto-encoder"


# ---- table 1 -----------------------------------------------------------------------------------


def autoencoder(results: Results) -> Table:
    """PSNR and SSIM between held-out images and their reconstructions."""
    head = ["data set", "model", "measure", "mean", "std", "min", "max"]
    rows: list[list[Cell]] = []
    for entry in results.entries:
        found = entry.first("measures", "autoencoder", "held_out") or {}
        for key in ("psnr", "ssim"):
            if isinstance(values := found.get(key), Mapping):
                parts = [number(values.get(part)) for part in head[3:]]
                rows.append([results.data, entry.name, key.upper(), *parts])
    note = "Of held-out images, the auto-encoder of the first seed; std over images."
    return Table("autoencoder", "Original against reconstructed images", head, rows, note)


# ---- table 4 -----------------------------------------------------------------------------------


def time_cost(results: Results) -> Table:
    """What a step, an epoch and the whole training cost; pre-training is part of the training."""
    head = ["model", "ms a step", "images/s", "s an epoch", "training min", "wall min"]
    rows: list[list[Cell]] = []
    for entry in results.entries:
        train = number(entry.first("data", "train"))
        done = [run for run in entry.runs if run.count("status", "step")]
        if not done or not train:
            continue
        step, images, seconds = (
            [_status(run, key) for run in done] for key in ("step", "images", "seconds")
        )
        wall = [run.count("status", "wall_seconds") for run in done]
        rows.append([
            entry.name,
            spread([1000 * s / n for s, n in zip(seconds, step, strict=True)]),
            images_a_second(entry),
            spread([train * s / n for s, n in zip(seconds, images, strict=True)]),
            spread([s / 60 for s in seconds]),
            spread([s / 60 for s in wall if s is not None]),
        ])  # fmt: skip
    return Table("time", "Time cost", head, rows, _note(results), intervals=False)


def _status(run: RunResult, key: str) -> float:
    """A number of the status of a run that has trained."""
    found = run.count("status", key)
    assert found is not None
    return found


def images_a_second(entry: EntryResult) -> Spread | None:
    rates = [
        images / seconds
        for run in entry.runs
        if (images := run.count("status", "images")) and (seconds := run.count("status", "seconds"))
    ]
    return spread(rates)
