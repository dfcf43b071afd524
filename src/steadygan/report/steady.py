"""Stability, from the runs' own evaluations: the score, its parts, and what they are made of."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any

from steadygan.measures.stability import (
    DISTANCES,
    NOT_EVALUATED,
    RunStability,
    Score,
    of_run,
    stability_score,
)
from steadygan.report.facts import as_dict
from steadygan.report.read import AXES, Run, Study, families
from steadygan.report.text import NONE, count, duration, figure, number, percent, plus_minus

PARTS = {
    "survived": "the share of seeds that survive: finite, last at most 1.5 × best, better than "
    "the start",
    "learned": "how far from the start to real data the best samples got",
    "kept": "best / last",
    "calm": "1 − relapses, evaluations over 1.5 × the best before them",
    "smooth": "1 / the worst jump between two evaluations",
    "alive": "steps at which D was not saturated and G's gradient neither vanished nor exploded",
    "repeatable": "1 / (1 + spread of the last distance over seeds)",
}
_KEYS = ("d_accuracy_real", "d_accuracy_fake", "d_real_probability", "d_fake_probability",
         "g_gradient_norm", *DISTANCES)  # fmt: skip


@dataclass(frozen=True)
class ScoreRow:
    """One method: its score, and its parts by name, each 0 to 1 or None."""

    run: int
    name: str
    score: float | None
    parts: list[tuple[str, float | None]]


@dataclass(frozen=True)
class SignRow:
    """One method (or run): what the score is made of, in words, `usable` being when samples were
    first usable, with the time and in how many runs; `reasons` why runs did not survive."""

    run: int
    name: str
    before: list[str]
    usable: tuple[str, str]
    after: list[str]
    reasons: list[str]


def stabilities(runs: list[Run]) -> list[RunStability]:
    """The stability of each run."""
    return [_stability(run) for run in runs]


def score_rows(study: Study, found: list[RunStability]) -> list[ScoreRow]:
    """The score of each method that has one."""
    rows = []
    for name, members in families(study.runs).items():
        score = _score([(study.runs[i], found[i]) for i in members])
        if score is not None and score.score is not None:
            parts = [(part, getattr(score, part)) for part in PARTS]
            rows.append(ScoreRow(members[0], name, score.score, parts))
    return rows


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


def most_stable(rows: list[ScoreRow]) -> str:
    """The highest score, in a sentence."""
    if len(rows) < 2:
        return ""
    best = max(rows, key=lambda row: row.score or 0.0)
    return f"Highest stability score: {best.name}, {figure(best.score, 2)}."


def _cells(mine: list[RunStability]) -> tuple[list[str], tuple[str, str], list[str]]:
    """The cells before when samples were usable, that, and those after it."""
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
    images = count(mean(run.usable_images for run in known))
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


def _stability(run: Run) -> RunStability:
    """Of numbers alone: run.json and history may hold anything."""
    evaluation = as_dict(run.get("evaluation"))
    references = {name: number(evaluation.get(name)) for name in ("real", "noise")}
    facts = {"status": as_dict(run.get("status")), "evaluation": references}
    return of_run(facts, [line for each in run.history if (line := _numbers(each))])


def _numbers(line: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers of a line that stability is about; no distance where it cannot be placed."""
    found = {key: number(line[key]) for key in (*AXES, *_KEYS) if key in line}
    if found.get("images") is None or found.get("seconds") is None:
        return {key: value for key, value in found.items() if key not in DISTANCES}
    return found
