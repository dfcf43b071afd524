"""Stability, from the runs' own evaluations: the score, its parts, and what they are made of."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any

from steadygan.report.facts import as_dict, as_list
from steadygan.report.quality import entry_names
from steadygan.report.read import AXES, Run, Study, dig, families
from steadygan.report.text import NONE, count, duration, percent, plus_minus
from steadygan.stability.curve import DISTANCES
from steadygan.stability.score import (
    NOT_EVALUATED,
    RunStability,
    Score,
    of_run,
    stability_score,
)
from steadygan.stability.signals import number

#: What the score is the product of, and what steadiness is made of.
PARTS = {
    "learned": "how far from the start to real data the best samples got, each halving of the "
    "distance above real samples counting the same",
    "steadiness": "the geometric mean of retention, no relapse and smoothness",
    "retention": "best / last",
    "no relapse": "1 − relapses, points over 1.5 × the best before them",
    "smoothness": "1 / the worst jump between two points",
}
_KEYS = ("d_accuracy_real", "d_accuracy_fake", "d_real_probability", "d_fake_probability",
         "g_gradient_norm", *DISTANCES)  # fmt: skip


@dataclass(frozen=True)
class ScoreRow:
    """One method: its score with the interval over seeds in words, and its parts by name, each 0 to
    1 or None; `scored`: how many of its evaluated runs have a score; `unscored`: why others have
    none."""

    run: int
    name: str
    scored: str
    score: float | None
    interval: str
    parts: list[tuple[str, float | None]]
    unscored: list[str]


@dataclass(frozen=True)
class SignRow:
    """One method (or run): its facts of stability, in words; `usable`: when samples were first
    usable, with the time and in how many runs; `reasons`: why runs did not survive."""

    run: int
    name: str
    before: list[str]
    usable: tuple[str, str]
    after: list[str]
    reasons: list[str]


def stabilities(runs: list[Run]) -> list[RunStability]:
    """The stability of each run."""
    return [stability_of(run) for run in runs]


def score_rows(study: Study, found: list[RunStability]) -> list[ScoreRow]:
    """The score of each method that has an evaluated run."""
    rows = []
    for name, members in families(study.runs).items():
        score = _score([(study.runs[i], found[i]) for i in members])
        if score is not None and score.runs:
            parts = [(part, getattr(score, part.replace(" ", "_"))) for part in PARTS]
            rows.append(ScoreRow(members[0], name, f"{score.scored} of {score.runs}", score.score,
                                 _interval(study, name), parts, list(score.unscored)))  # fmt: skip
    return rows


def _interval(study: Study, family: str) -> str:
    """The 95 % interval of a method's mean score, as tables.json has it."""
    name = entry_names(study).get(family, family)
    entries = as_list(study.tables.get("entries"))
    mine = next((entry for entry in entries if dig(entry, "name") == name), None)
    low, high = (number(dig(mine, "stability", "interval", end)) for end in ("low", "high"))
    return "" if low is None or high is None else f"{low:.2f} to {high:.2f}"


def sign_rows(study: Study, found: list[RunStability]) -> list[SignRow]:
    """What each method's runs did; of a single run, its own numbers."""
    rows = []
    for name, members in families(study.runs).items():
        mine = [found[i] for i in members if found[i].reason != NOT_EVALUATED]
        if not mine:
            continue
        reasons = [f"{study.runs[i].label}: {found[i].reason}" for i in members
                   if found[i].reason not in ("", NOT_EVALUATED)]  # fmt: skip
        rows.append(SignRow(members[0], name, *_cells(mine), reasons))
    return rows


def _cells(mine: list[RunStability]) -> tuple[list[str], tuple[str, str], list[str]]:
    """The cells before the one of `_usable`, that one, and the cells after it."""
    before = [
        f"{sum(run.survived for run in mine)} of {len(mine)}",
        _over([run.last_over_best for run in mine]),
        _over([run.worst_jump for run in mine]),
        percent(_mean([run.relapses for run in mine])),
    ]
    after = [
        percent(_mean([run.saturated for run in mine])),
        _over([run.g_gradient_norm for run in mine]),
        percent(_mean([run.starved for run in mine])),
    ]
    return before, _usable(mine), after


def _usable(mine: list[RunStability]) -> tuple[str, str]:
    known = [run for run in mine if run.usable_images is not None]
    if not known:
        return "", ""
    images = count(mean(run.usable_images or 0 for run in known))
    time = duration(mean(run.usable_seconds or 0.0 for run in known))
    of = f" in {len(known)} of {len(mine)} runs" if len(mine) > 1 else ""
    return f"{images} images", f"{time}{of}"


def _over(values: list[float | None]) -> str:
    known = [value for value in values if value is not None]
    if any(not math.isfinite(value) for value in known):
        return "∞"
    spread = stdev(known) if len(known) > 1 else None
    return plus_minus(float(f"{mean(known):.4g}"), spread) if known else NONE


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return mean(known) if known else None


def _score(members: list[tuple[Run, RunStability]]) -> Score | None:
    begun = [found for run, found in members if run.get("status", "state") != "missing"]
    return stability_score(begun) if begun else None


def stability_of(run: Run) -> RunStability:
    """From numbers alone: run.json and history may hold anything."""
    evaluation = as_dict(run.get("evaluation"))
    references = {name: number(evaluation.get(name)) for name in ("real", "noise", "real_sd")}
    seen = as_dict(run.get("measures", "recognisable"))
    facts = {
        "status": as_dict(run.get("status")),
        "evaluation": references,
        "measures": {"recognisable": seen},
        "judged_step": run.get("judged_step"),
    }
    return of_run(facts, [line for each in run.history if (line := _numbers(each))])


def _numbers(line: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers of a line that stability is about; no distance where images or seconds are
    missing."""
    found = {key: number(line[key]) for key in (*AXES, *_KEYS) if key in line}
    if found.get("images") is None or found.get("seconds") is None:
        return {key: value for key, value in found.items() if key not in DISTANCES}
    return found
