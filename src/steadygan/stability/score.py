"""Stability of training: does a method reach good quality, keep it, and repeat it with another
seed?

Everything here follows from numbers that runs have logged: evaluations at regular points (a
distance to the real data, lower is better) and the signals of each logged step. Nothing is trained
or sampled, and no tensor is touched. docs/stability.md gives the reason for each number.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import mean, median, stdev
from typing import Any

from steadygan.stability.curve import (
    RELAPSE,
    Levels,
    Point,
    first_usable,
    learned,
    levels_of,
    on_grid,
    points_of,
    ratio,
    relapses,
    too_few,
    worst_jump,
)
from steadygan.stability.signals import is_saturated, is_starved, number, share

#: The reason of a run that did not fail and was never evaluated: it is left out, not a failure.
NOT_EVALUATED = "no evaluation"


@dataclass(frozen=True)
class End:
    """How a run ended, beside its numbers: `failed` and `unfinished` say why it did not finish,
    `images` how many it saw (0: as many as at its last evaluation), `unrecognised` why its last
    samples do not show their data, where that was evaluated. Empty where not applicable."""

    failed: str = ""
    unfinished: str = ""
    images: int = 0
    unrecognised: str = ""


@dataclass(frozen=True)
class RunStability:
    """How steadily one run trained; None where unknown. Ratios are of excesses
    (`curve.Levels.excess`).

    Facts of all evaluations: `evaluations`, how many after the start; `best`, `last`, distances;
    `excess`, the last one's; `last_over_best`, `worst_jump`, `relapses` (two evaluations at least);
    `usable_images`, `usable_seconds`, when samples were first usable; `saturated`, `starved`, the
    shares of logged steps at which D was saturated or G's gradient had vanished or exploded;
    `g_gradient_norm`, its median.

    Of the curve on one grid, each 0 (bad) to 1: `learned` (`curve.learned`); `retention`, best over
    last; `no_relapse`, 1 - the share of relapses; `smoothness`, 1 over the worst jump;
    `steadiness`, the geometric mean of these three; `score`, learned x steadiness, or why there is
    none in `unscored`. A failed run has steadiness and score 0. `survived`: see `why_not`, whose
    text is `reason`."""

    evaluations: int
    best: float | None = None
    last: float | None = None
    excess: float | None = None
    last_over_best: float | None = None
    worst_jump: float | None = None
    relapses: float | None = None
    usable_images: int | None = None
    usable_seconds: float | None = None
    saturated: float | None = None
    g_gradient_norm: float | None = None
    starved: float | None = None
    learned: float | None = None
    retention: float | None = None
    no_relapse: float | None = None
    smoothness: float | None = None
    steadiness: float | None = None
    score: float | None = None
    unscored: str = ""
    survived: bool = False
    reason: str = ""

    def facts(self) -> dict[str, Any]:
        """As plain JSON values; what is not finite is None."""
        return _plain(asdict(self))


def of_run(facts: Mapping[str, Any], history: Sequence[Mapping[str, Any]]) -> RunStability:
    """The stability of a run from its run.json and the lines of its history."""
    levels = levels_of(facts.get("evaluation") or {})
    return run_stability(points_of(history), history, levels, end_of(facts))


def end_of(facts: Mapping[str, Any]) -> End:
    """How a run ended, from its run.json."""
    status = facts.get("status") or {}
    state, reason = status.get("state"), str(status.get("reason") or "")
    images = int(number(status.get("images")) or 0)
    if state == "failed":
        return End(failed=reason or "failed", images=images)
    if state != "finished":
        said = "not finished" + (f": {reason}" if reason else "")
        return End(unfinished=said, images=images)
    return End(images=images, unrecognised=_unrecognised(facts))


def _unrecognised(facts: Mapping[str, Any]) -> str:
    """Why a run's evaluated samples do not show its data; "" where they do, or where the verdict is
    of another step or there is none."""
    found = (facts.get("measures") or {}).get("recognisable") or {}
    judged, step = facts.get("judged_step"), (facts.get("status") or {}).get("step")
    if found.get("shows_data") is not False or (judged is not None and judged != step):
        return ""
    known = [(number(found.get("share")), "{:.0%} recognised"),
             (number(found.get("classes_seen")), "{:.0f} classes seen")]  # fmt: skip
    said = [words.format(value) for value, words in known if value is not None]
    return "its samples do not show the data" + (f" ({', '.join(said)})" if said else "")


def run_stability(
    points: Sequence[Point],
    history: Iterable[Mapping[str, Any]] = (),
    levels: Levels = Levels(),
    end: End = End(),
) -> RunStability:
    """The stability of a run from its evaluations (the first may be of the untrained generator)
    and the logged lines of its `history`."""
    trained = [point for point in points if point.images > 0]
    signs = _signs(list(history))
    if not trained:
        reason = end.failed or NOT_EVALUATED
        zero = 0.0 if end.failed else None
        return RunStability(0, **signs, learned=zero, steadiness=zero, score=zero,
                            unscored="" if end.failed else reason, reason=reason)  # fmt: skip
    distances = [point.distance for point in trained]
    usable = first_usable(trained, levels)
    reason = why_not(distances, levels, end)
    return RunStability(
        evaluations=len(trained),
        best=min(distances),
        last=distances[-1],
        **_facts_of([levels.excess(distance) for distance in distances]),
        usable_images=usable.images if usable else None,
        usable_seconds=usable.seconds if usable else None,
        **signs,
        **_score_of(points, trained, levels, end),
        survived=not reason,
        reason=reason,
    )


def why_not(distances: Sequence[float], levels: Levels, end: End) -> str:
    """Why a run did not survive, in words, or "".

    A survivor finished, its last evaluation is finite and at most `RELAPSE` times the best one
    (excesses), and its last samples are usable: by the distance, and recognised where that was
    evaluated.
    """
    last = distances[-1]
    if end.failed or end.unfinished:
        return end.failed or end.unfinished
    if not math.isfinite(last):
        return "the last evaluation is not finite"
    worse = ratio(levels.excess(last), min(map(levels.excess, distances)))
    if worse > RELAPSE:
        return f"the last evaluation is {worse:.2f} times the best"
    if not levels.known:
        return "what real samples and noise get is not known"
    if not levels.usable(last):
        return f"its last distance is {last:.4g}, usable is {levels.usable_limit:.4g} or less"
    return end.unrecognised


def _facts_of(excesses: Sequence[float]) -> dict[str, Any]:
    several = len(excesses) > 1
    return {
        "excess": excesses[-1],
        "last_over_best": ratio(excesses[-1], min(excesses)) if several else None,
        "worst_jump": worst_jump(excesses) if several else None,
        "relapses": relapses(excesses) if several else None,
    }


def _score_of(
    points: Sequence[Point], trained: Sequence[Point], levels: Levels, end: End
) -> dict[str, Any]:
    """The score with its parts, or why there is none."""
    start = levels.excess(_start(points, levels))
    few = too_few(trained, max(end.images, trained[-1].images))
    curve = [levels.excess(p.distance) for p in trained] if few else on_grid(points, levels)
    got = learned(start, min(curve), levels.floor) if levels.known else None
    if end.failed:
        return {"learned": got or 0.0, "steadiness": 0.0, "score": 0.0}
    unscored = end.unfinished or few
    if not levels.known:
        unscored = unscored or "what real samples and noise get is not known"
    elif got is None:
        unscored = unscored or "the start was no worse than real data"
    parts = {} if few else _steadiness_of(curve)
    score = None if unscored or got is None else got * parts["steadiness"]
    return {"learned": got, **parts, "score": score, "unscored": unscored}


def _start(points: Sequence[Point], levels: Levels) -> float:
    """The distance of the untrained generator, that of noise where it is not known or finite."""
    known = [p.distance for p in points if p.images == 0 and math.isfinite(p.distance)]
    noise = math.inf if levels.noise is None else levels.noise
    return known[0] if known else noise


def _steadiness_of(curve: Sequence[float]) -> dict[str, float]:
    """`retention`, `no_relapse`, `smoothness` of excesses on the grid, and their geometric mean."""
    parts = {
        "retention": inverse(ratio(curve[-1], min(curve))),
        "no_relapse": 1 - relapses(curve),
        "smoothness": inverse(worst_jump(curve)),
    }
    return {**parts, "steadiness": math.prod(parts.values()) ** (1 / len(parts))}


def _signs(history: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Facts from the players' signals."""
    norms = [n for line in history if (n := number(line.get("g_gradient_norm"))) is not None]
    return {
        "saturated": share(history, is_saturated),
        "starved": share(history, is_starved),
        "g_gradient_norm": median(norms) if norms else None,
    }


def inverse(ratio: float) -> float:
    """1 / ratio, at most 1."""
    return min(1.0, 1 / ratio)


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    odd = {k for k, v in values.items() if isinstance(v, float) and not math.isfinite(v)}
    return {k: None if k in odd else v for k, v in values.items()}


# ---- over seeds --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Score:
    """The stability score of a method, 0 to 1, with its parts: means over its `scored` runs, None
    where none has a score. `runs`: how many were evaluated or failed.

    `score`, `learned`, `steadiness` and its parts `retention`, `no_relapse`, `smoothness`: as of a
    run. Beside them `survived`, the share of `runs` that did, and `repeatable`, 1 / (1 + the spread
    of the last excess over seeds, standard deviation over mean). `by_run`: the scores that `score`
    is the mean of. `unscored`: why runs have no score, each reason once."""

    score: float | None
    learned: float | None
    steadiness: float | None
    retention: float | None
    no_relapse: float | None
    smoothness: float | None
    survived: float | None
    repeatable: float | None
    scored: int
    runs: int
    by_run: tuple[float, ...] = ()
    unscored: tuple[str, ...] = ()

    def facts(self) -> dict[str, Any]:
        return {**asdict(self), "by_run": list(self.by_run), "unscored": list(self.unscored)}


#: What is a mean over the runs that have a score.
MEANS = ("score", "learned", "steadiness", "retention", "no_relapse", "smoothness")


def stability_score(runs: Sequence[RunStability]) -> Score:
    """The score of a method from its runs, one a seed. Raises ValueError for none."""
    if not runs:
        raise ValueError("a stability score wants at least one run")
    scored = [run for run in runs if run.score is not None]
    judged = [run for run in runs if run.reason != NOT_EVALUATED]
    return Score(
        **{name: _mean(getattr(run, name) for run in scored) for name in MEANS},
        survived=_mean(float(run.survived) for run in judged),
        repeatable=repeatable([run.excess for run in scored]),
        scored=len(scored),
        runs=len(judged),
        by_run=tuple(run.score for run in scored if run.score is not None),
        unscored=tuple(dict.fromkeys(run.unscored for run in runs if run.unscored)),
    )


def repeatable(lasts: Sequence[float | None]) -> float | None:
    """1 / (1 + standard deviation / mean) of the last excesses that are finite; None of fewer than
    two."""
    known = [last for last in lasts if last is not None and math.isfinite(last)]
    return 1 / (1 + stdev(known) / mean(known)) if len(known) > 1 else None


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return mean(known) if known else None
