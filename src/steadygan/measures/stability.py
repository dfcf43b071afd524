"""Stability of training: does a method get good, stay good, and do it again with another seed?

Everything here follows from numbers that runs have logged: evaluations at regular points (a
distance to the real data, lower is better) and the signals of each logged step. Nothing is trained
or sampled, and no tensor is touched. docs/stability.md says why each number is what it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from statistics import mean, median, stdev
from typing import Any

#: The history keys of the distance that stability is about: of images, and of points.
DISTANCES = ("fid", "energy_distance")
#: An evaluation this many times worse than the best so far is a relapse; so is a last one for
#: survival.
RELAPSE = 1.5
#: Samples are usable when this share of the distance from noise to real data is behind them.
USABLE = 0.9
#: D is saturated at a step where it is right about nearly everything, or gives nearly certain
#: probabilities; G starves or explodes beyond these gradient norms.
SURE = 0.99
STARVED, EXPLODED = 1e-6, 100.0
#: The reason of a run that did not fail and was never evaluated: nothing is held against it.
NOT_EVALUATED = "no evaluation"


@dataclass(frozen=True)
class Point:
    """One evaluation: the distance to real data after so many images and seconds of training;
    a distance that is not finite counts as infinite."""

    images: int
    seconds: float
    distance: float


def points_of(history: Iterable[Mapping[str, Any]]) -> list[Point]:
    """The evaluations among the logged lines of a run."""
    return [
        Point(int(line["images"]), float(line["seconds"]), _or_inf(distance_in(line)))
        for line in history
        if any(key in line for key in DISTANCES)
    ]


def distance_in(line: Mapping[str, Any]) -> float | None:
    """The distance that an evaluation found, None where it is not finite or there is none."""
    return next((number(line[key]) for key in DISTANCES if key in line), None)


@dataclass(frozen=True)
class RunStability:
    """How steadily one run trained; None where it cannot be said.

    `evaluations`: how many after the start. `best`, `last`: distances. `last_over_best`: 1 is best.
    `worst_jump`: the largest ratio of an evaluation to the one before it. `relapses`: the share of
    evaluations over 1.5 times the best before them. These three want two evaluations at least.
    `learned`: the share of the distance from the start to real data that the best has behind it.
    `usable_images`, `usable_seconds`: when samples were first usable. `saturated`: the
    share of logged steps at which D was sure of nearly everything. `g_gradient_norm`: median.
    `starved`: the share of steps at which G's gradient vanished or exploded. `survived`: finite,
    last <= 1.5 best, better than the start. `reason`: why not, in words.
    """

    evaluations: int
    best: float | None = None
    last: float | None = None
    last_over_best: float | None = None
    worst_jump: float | None = None
    relapses: float | None = None
    learned: float | None = None
    usable_images: int | None = None
    usable_seconds: float | None = None
    saturated: float | None = None
    g_gradient_norm: float | None = None
    starved: float | None = None
    survived: bool = False
    reason: str = ""

    def facts(self) -> dict[str, Any]:
        """As plain JSON values; what is not finite is None."""
        return _plain(asdict(self))


def run_stability(
    points: Sequence[Point],
    history: Iterable[Mapping[str, Any]],
    real: float,
    noise: float,
    failed: str = "",
) -> RunStability:
    """The stability of a run from its evaluations (the first may be of the untrained generator).

    `real` and `noise` are the same distance for as many real samples and for noise. `history` holds
    the logged lines; `failed` says why the run ended early, if it did.
    """
    signals = list(history)
    saturated, starved = share(signals, is_saturated), share(signals, is_starved)
    norms = [n for line in signals if (n := number(line.get("g_gradient_norm"))) is not None]
    typical = median(norms) if norms else None
    points = [replace(p, distance=_or_inf(p.distance)) for p in points]
    trained = [point for point in points if point.images > 0]
    if not trained:
        reason = failed or NOT_EVALUATED
        return RunStability(0, saturated=saturated, starved=starved, g_gradient_norm=typical,
                            reason=reason)  # fmt: skip
    distances, several = [point.distance for point in trained], len(trained) > 1
    best, last = min(distances), distances[-1]
    start = next((point.distance for point in points if point.images == 0), noise)
    usable = first_usable(trained, real, noise)
    reason = failed or why_not(best, last, start)
    return RunStability(
        evaluations=len(trained),
        best=best,
        last=last,
        last_over_best=ratio(last, best) if several else None,
        worst_jump=max(ratio(b, a) for a, b in pairwise(distances)) if several else None,
        relapses=relapses(distances) if several else None,
        learned=learned(start, best, real),
        usable_images=usable.images if usable else None,
        usable_seconds=usable.seconds if usable else None,
        saturated=saturated,
        g_gradient_norm=typical,
        starved=starved,
        survived=not reason,
        reason=reason,
    )


def of_run(facts: Mapping[str, Any], history: Sequence[Mapping[str, Any]]) -> RunStability:
    """The stability of a run from its run.json and the lines of its history."""
    status, evaluation = facts.get("status") or {}, facts.get("evaluation") or {}
    failed = str(status.get("reason") or "failed") if status.get("state") == "failed" else ""
    references = [number(evaluation.get(name)) for name in ("real", "noise")]
    real, noise = (math.nan if known is None else known for known in references)
    return run_stability(points_of(history), history, real, noise, failed)


def first_usable(points: Sequence[Point], real: float, noise: float) -> Point | None:
    """The first evaluation with `USABLE` of the distance from noise to real data behind it."""
    limit = noise - USABLE * (noise - real)
    return next((point for point in points if point.distance <= limit), None)


def learned(start: float, best: float, real: float) -> float | None:
    """(start - best) / (start - real) within 0 to 1; None where the start is no worse than real
    data, or one of them is not known."""
    if not (math.isfinite(start) and start > real):
        return None
    return min(1.0, max(0.0, (start - best) / (start - real))) if math.isfinite(best) else 0.0


def relapses(distances: Sequence[float]) -> float:
    """The share of evaluations that are over 1.5 times the best before them, or not finite."""
    best, worse = math.inf, 0
    for distance in distances:
        worse += ratio(distance, best) > RELAPSE
        best = min(best, distance)
    return worse / len(distances)


def why_not(best: float, last: float, start: float) -> str:
    """Why a finished run did not survive, in words, or nothing."""
    if not math.isfinite(last):
        return "the last evaluation is not finite"
    if ratio(last, best) > RELAPSE:
        return f"the last evaluation is {ratio(last, best):.2f} times the best"
    if last >= start:
        return "the last evaluation is no better than the start"
    return ""


def ratio(a: float, b: float) -> float:
    """a / b, where distances below 1e-9 count as that; infinite where `a` is."""
    return max(a, 1e-9) / max(b, 1e-9) if math.isfinite(a) else math.inf


def _or_inf(distance: float | None) -> float:
    return math.inf if distance is None or not math.isfinite(distance) else distance


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    odd = {k for k, v in values.items() if isinstance(v, float) and not math.isfinite(v)}
    return {k: None if k in odd else v for k, v in values.items()}


def number(value: Any) -> float | None:
    """`value` as a finite float, or None."""
    known = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if known and math.isfinite(value) else None


def share(
    lines: Sequence[Mapping[str, Any]], asked: Callable[[Mapping[str, Any]], bool | None]
) -> float | None:
    """The share of lines for which `asked` says True, of those for which it can say."""
    answers = [answer for line in lines if (answer := asked(line)) is not None]
    return sum(answers) / len(answers) if answers else None


def is_saturated(line: Mapping[str, Any]) -> bool | None:
    """Whether D was sure of nearly everything at a logged step; None for a critic."""
    pairs = (
        (number(line.get("d_accuracy_real")), number(line.get("d_accuracy_fake"))),
        (number(line.get("d_real_probability")), complement(line.get("d_fake_probability"))),
    )
    known = [pair for pair in pairs if None not in pair]
    return any(min(pair) >= SURE for pair in known) if known else None


def complement(value: Any) -> float | None:
    known = number(value)
    return None if known is None else 1.0 - known


def is_starved(line: Mapping[str, Any]) -> bool | None:
    """Whether G's gradient had vanished or exploded at a logged step."""
    norm = number(line.get("g_gradient_norm"))
    return None if norm is None else not STARVED <= norm <= EXPLODED


# ---- over seeds --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Score:
    """The stability score of a method, 0 to 1, and its parts, each 0 (bad) to 1 (good).

    `survived`: the share of seeds that survive. `learned`: how far from the start to real data a
    run's best samples got. `kept`: best / last, a run's last samples against its best. `calm`:
    1 - the share of relapses. `smooth`: 1 / the worst jump, at most 1. `alive`: the share of steps
    at which D was not saturated and G's gradient neither vanished nor exploded. `repeatable`:
    1 / (1 + the spread of the last distance over seeds, standard deviation over mean). All but the
    first and last are means over the runs that can say; None where none can. The score is the
    geometric mean of the parts that are known, so that one bad part shows, and 0 where
    no seed survives; None where no run was evaluated and none failed. `seeds`: how many runs it is
    made of, those without a verdict left out.
    """

    score: float | None
    survived: float | None
    learned: float | None
    kept: float | None
    calm: float | None
    smooth: float | None
    alive: float | None
    repeatable: float | None
    seeds: int

    def facts(self) -> dict[str, Any]:
        return asdict(self)


def stability_score(runs: Sequence[RunStability]) -> Score:
    """The score of a method from its runs, one a seed. Raises ValueError for none."""
    if not runs:
        raise ValueError("a stability score wants at least one run")
    runs = [run for run in runs if run.reason != NOT_EVALUATED]
    lasts = [run.last for run in runs if run.last is not None and math.isfinite(run.last)]
    spread = stdev(lasts) / mean(lasts) if len(lasts) > 1 and mean(lasts) > 0 else None
    parts = {
        "survived": _mean(float(run.survived) for run in runs),
        "learned": _mean(run.learned for run in runs),
        "kept": _mean(inverse(run.last_over_best) for run in runs),
        "calm": _mean(None if run.relapses is None else 1 - run.relapses for run in runs),
        "smooth": _mean(inverse(run.worst_jump) for run in runs),
        "alive": _mean(alive(run) for run in runs),
        "repeatable": None if spread is None else 1 / (1 + spread),
    }
    known = [part for part in parts.values() if part is not None]
    score = math.prod(known) ** (1 / len(known)) if runs else None
    return Score(score=score, seeds=len(runs), **parts)


def inverse(ratio: float | None) -> float | None:
    """1 / ratio, at most 1."""
    return None if ratio is None else min(1.0, 1 / ratio)


def alive(run: RunStability) -> float | None:
    """The share of a run's logged steps at which both players had something to learn from."""
    if run.saturated is None and run.starved is None:
        return None
    return (1 - (run.saturated or 0.0)) * (1 - (run.starved or 0.0))


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return mean(known) if known else None
