"""What a study has found so far, read from its folder: a result for each run, grouped by method."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steadygan.diagnosis.finding import TITLES
from steadygan.errors import UserError
from steadygan.metrics.names import METRICS, OF_FEATURES, Metric
from steadygan.records import read_facts, read_history, read_object, read_study
from steadygan.stability.score import (
    End,
    RunStability,
    Score,
    of_run,
    run_stability,
    stability_score,
)
from steadygan.stability.signals import number
from steadygan.study.plan import planned, run_name
from steadygan.study.statistics import Spread, spread

#: What the reason of a run begins with that has been trained and not evaluated.
UNJUDGED = "not judged: "


@dataclass(frozen=True)
class RunResult:
    """One run: run.json as `facts` (empty where it never began) and how steadily it trained."""

    name: str
    entry: str
    seed: int
    facts: Mapping[str, Any]
    stability: RunStability
    reason: str = ""

    @property
    def state(self) -> str:
        state = self.dig("status", "state")
        return "failed" if self.reason else str(state or "not started")

    def dig(self, *path: str) -> Any:
        """The value at a path of keys in run.json, or None."""
        value: Any = self.facts
        for key in path:
            value = value.get(key) if isinstance(value, Mapping) else None
        return value

    @property
    def diagnosis(self) -> str:
        """The verdict of the run's diagnosis in a few words; empty where it has none."""
        verdict, name = self.dig("diagnosis", "verdict"), self.dig("diagnosis", "headline", "name")
        if verdict == "fault":
            return str(name)
        return TITLES.get(str(verdict), "")

    def value(self, key: str, at: str) -> float | None:
        """A measure of the samples at the `last` step or the `best` evaluation."""
        return number(self.dig("measures", "quality", at, key))

    def count(self, *path: str) -> float | None:
        return number(self.dig(*path))


@dataclass(frozen=True)
class EntryResult:
    """A method of the study with its settings, and its runs by seed."""

    name: str
    recipe: Mapping[str, Any]
    runs: tuple[RunResult, ...]

    @property
    def method(self) -> str:
        return str(self.recipe.get("method") or self.name)

    def by_seed(self, key: str, at: str) -> dict[int, float]:
        """A measure of the runs that have it."""
        found = {run.seed: run.value(key, at) for run in self.runs}
        return {seed: value for seed, value in found.items() if value is not None}

    def spread(self, key: str, at: str) -> Spread | None:
        return spread(list(self.by_seed(key, at).values()))

    def over_runs(self, *path: str) -> Spread | None:
        """A number of run.json over the runs."""
        return spread([value for run in self.runs if (value := run.count(*path)) is not None])

    @property
    def score(self) -> Score:
        begun = [run.stability for run in self.runs if run.facts or run.reason]
        return stability_score(begun or [run_stability([])])

    def scores_by_seed(self) -> dict[int, float]:
        """The stability scores of the runs that have one."""
        scores = {run.seed: run.stability.score for run in self.runs}
        return {seed: score for seed, score in scores.items() if score is not None}

    def first(self, *path: str) -> Any:
        """The value at a path of run.json of the first run that has it."""
        return next((v for run in self.runs if (v := run.dig(*path)) is not None), None)


@dataclass(frozen=True)
class Results:
    """A study: study.json and its methods."""

    folder: Path
    study: Mapping[str, Any]
    entries: tuple[EntryResult, ...]

    @property
    def runs(self) -> list[RunResult]:
        return [run for entry in self.entries for run in entry.runs]

    def first(self, *path: str) -> Any:
        return next((v for entry in self.entries if (v := entry.first(*path)) is not None), None)

    def metrics(self) -> list[Metric]:
        """The measures that some run has."""
        return [
            m for m in METRICS if any(run.value(m.key, "last") is not None for run in self.runs)
        ]

    @property
    def features(self) -> str:
        """The features of the distances: part of their name."""
        return str(self.first("measures", "quality", "features") or "")

    def title(self, metric: Metric) -> str:
        """A measure's name; measures that depend on features carry their name, except
        Inception's."""
        named = metric.key in OF_FEATURES and self.features not in ("", "inception")
        return f"{metric.title}-{self.features}" if named else metric.title

    def title_of(self, key: str) -> str:
        return self.title(next(metric for metric in METRICS if metric.key == key))

    @property
    def data(self) -> str:
        """What the data is called, without its path."""
        return str((self.study.get("data_used") or {}).get("name") or self.study["data"])


def read_results(out: Path, failed: Mapping[str, str] = {}) -> Results:
    """The results of the study in `out`; `failed` are reasons that no run.json has."""
    study = read_study(out)
    before = _reasons_before(out)
    entries = []
    for name, recipe in study["methods"].items():
        names = [run_name(name, seed) for seed in study["seeds"]]
        runs = tuple(_result(out, study, run, before, failed) for run in names)
        entries.append(EntryResult(name, recipe, runs))
    return Results(out, study, tuple(entries))


def _result(
    out: Path,
    study: dict[str, Any],
    name: str,
    before: Mapping[str, str],
    failed: Mapping[str, str],
) -> RunResult:
    path = out / "runs" / name
    entry, seed = planned(study, name)
    if not (path / "run.json").exists():
        reason = failed.get(name) or before.get(name, "")
        stability = run_stability([], end=End(failed=reason))
        return RunResult(name, entry, seed, {}, stability, reason)
    try:
        facts, history = read_facts(path), list(read_history(path))
    except UserError as error:
        stability = run_stability([], end=End(failed=str(error)))
        return RunResult(name, entry, seed, {}, stability, str(error))
    status = facts.get("status") or {}
    reason = str(status.get("reason") or "failed") if status.get("state") == "failed" else ""
    if facts.get("judged_step") != status.get("step"):
        if name in failed:
            reason = reason or UNJUDGED + failed[name]
        elif status.get("state") == "finished" and before.get(name, "").startswith(UNJUDGED):
            reason = before[name]
    return RunResult(name, entry, seed, facts, of_run(facts, history), reason)


def _reasons_before(out: Path) -> dict[str, str]:
    """The reasons in the tables that were written last, for what no run.json tells: of a run that
    left none, and why a finished one was not evaluated."""
    try:
        runs = read_object(out / "tables.json").get("runs")
    except (FileNotFoundError, UserError):  # tables are written anew from the runs
        return {}
    known = [run for run in runs if isinstance(run, dict)] if isinstance(runs, list) else []
    pairs = [(run.get("name"), run.get("reason")) for run in known]
    return {k: why for k, why in pairs if isinstance(k, str) and isinstance(why, str) and why}
