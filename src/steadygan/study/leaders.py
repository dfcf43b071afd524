"""Which method, if any, a study may call the best in a measure.

The lowest mean alone does not make a leader. A leader's difference to every other method holds by
the study's own test, in its favour; since it has to hold against all of them, no pair is picked by
luck. It is named only if every run of it finished and shows its data: the lowest distance among
methods that show nothing is no success.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

from steadygan.study.results import EntryResult, Results, RunResult
from steadygan.study.statistics import Difference, difference

#: The key of the stability score among those of measures.
SCORE = "stability"


@dataclass(frozen=True)
class Leader:
    """A method that is better than every other; `shows_data`: all of its runs do."""

    name: str
    shows_data: bool

    def facts(self) -> dict[str, Any]:
        return asdict(self)


def values_of(entry: EntryResult, key: str) -> dict[int, float]:
    """A measure at the last step, or the stability score, by seed, of the runs that have it."""
    return entry.scores_by_seed() if key == SCORE else entry.by_seed(key, "last")


def differences(results: Results, key: str | None) -> list[Difference]:
    """The differences of every two methods in a measure at the last step, over the seeds that have
    it."""
    if key is None:
        return []
    values = [(entry.name, values_of(entry, key)) for entry in results.entries]
    found = [difference(a, of_a, b, of_b) for (a, of_a), (b, of_b) in combinations(values, 2)]
    return [one for one in found if one is not None]


def leader(results: Results, found: Sequence[Difference], lower_is_better: bool) -> Leader | None:
    """The method that beats each of the others in `found`, the differences of one measure."""
    beaten: dict[str, set[str]] = {}
    for one in found:
        if one.verdict == "holds" and one.mean:
            first = (one.mean < 0) == lower_is_better
            better, worse = (one.one, one.other) if first else (one.other, one.one)
            beaten.setdefault(better, set()).add(worse)
    everyone = {entry.name for entry in results.entries}
    for entry in results.entries:
        if len(everyone) > 1 and beaten.get(entry.name) == everyone - {entry.name}:
            return Leader(entry.name, all(map(shows_data, entry.runs)))
    return None


def shows_data(run: RunResult) -> bool:
    """Whether a finished run shows its data: its samples are recognised, or, where that is not
    measured (points), it survived, which requires a usable distance."""
    verdict = run.dig("measures", "recognisable", "shows_data")
    shows = verdict if isinstance(verdict, bool) else run.stability.survived
    return run.state == "finished" and shows


def leaders(
    results: Results, found: Mapping[str, Sequence[Difference]]
) -> dict[str, Leader | None]:
    """The leader in each measure that has a better side, and in the stability score."""
    ways = {metric.key: metric.lower_is_better for metric in results.metrics()} | {SCORE: False}
    return {
        key: leader(results, found.get(key, ()), lower)
        for key, lower in ways.items()
        if lower is not None
    }


def said_of_leaders(titles: Mapping[str, str], found: Mapping[str, Leader | None]) -> str:
    """In words, of the measures in `titles`: which method leads, or that none does."""
    return " ".join(_said(title, found.get(key)) for key, title in titles.items())


def _said(title: str, first: Leader | None) -> str:
    if first is None:
        return f"{title}: no method is better than every other by the study's test."
    if first.shows_data:
        return f"{title}: {first.name} is better than every other method."
    return f"{title}: {first.name} is ahead, but not all of its runs show the data."
