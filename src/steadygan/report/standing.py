"""Where a single run stands, in its first lines: what is good, what is not, what more time would
give.

Every number is beside that of real images, measured in the same way: as many of them against the
others. Nothing is said that was not measured.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from steadygan.records import later_horizon, rates_ended
from steadygan.report.facts import as_dict
from steadygan.report.quality import doubt_of
from steadygan.report.read import Run, Study
from steadygan.report.steady import stability_of
from steadygan.report.text import count, duration, figure, listed, percent, rate
from steadygan.stability.curve import RELAPSE, evaluations_in, late_slope
from steadygan.stability.signals import number

#: Shares of what real images get: from the first a measure is good, below the second it is not.
GOOD, POOR = 0.8, 0.5
#: How much sharper or softer than real images samples may be.
SHARPNESS = 0.15
#: Excess of training images among the nearest ones; from here samples are copies.
COPIED, NOT_COPIED = 0.3, 0.1
#: A fall of the distance over the last half of a run, below which it no longer falls.
FLAT = 0.05
#: What is measured of all samples, and what it is called.
SHARES = {
    "precision": "samples that look real",
    "recall": "variety",
    "coverage": "real images with a sample near them",
}


@dataclass(frozen=True)
class Line:
    """A mark (its tone is `good`, `poor` or empty) and what is said."""

    mark: str
    tone: str
    said: str


def standing(study: Study) -> list[Line]:
    """The lines of a single run; none for a study, and for a run that was not measured."""
    if not study.single or not study.runs:
        return []
    run = study.runs[0]
    if not as_dict(run.get("measures", "quality", "last")):
        return []
    good: list[str] = []
    poor: list[str] = []
    for is_good, said in _judged(run):
        (good if is_good else poor).append(said)
    found = [Line("good", "good", f"{listed(good)}.")] if good else []
    found += [Line("not good", "poor", f"{listed(poor)}.")] if poor else []
    return found + [Line("more time", "", said) for said in _more_time(run)]


def _judged(run: Run) -> Iterator[tuple[bool, str]]:
    """(whether it is good, what is said) of each measure that is one or the other."""
    last = as_dict(run.get("measures", "quality", "last"))
    real = as_dict(last.get("real_against_real"))
    doubtful = bool(doubt_of(run, "last"))
    for key, what in SHARES.items():
        mine, theirs = number(last.get(key)), number(real.get(key))
        if mine is None or not theirs or (key == "precision" and doubtful):
            continue
        said = f"{what}: {key} {mine:.2f} (real images {theirs:.2f})"
        if mine >= GOOD * theirs or mine < POOR * theirs:
            yield mine >= GOOD * theirs, said
    sharp, of_real = number(last.get("sharpness")), number(last.get("sharpness_real"))
    if sharp is not None and of_real:
        share = sharp / of_real
        said = f"as sharp as real images ({percent(share)})"
        if abs(share - 1) > SHARPNESS:
            said = f"{'softer' if share < 1 else 'rougher'} than real images ({percent(share)})"
        yield abs(share - 1) <= SHARPNESS, said
    copied = run.count("measures", "quality", "last", "memorisation", "copied")
    if copied is not None and copied < NOT_COPIED:
        yield True, "no copies of training images"
    elif copied is not None and copied > COPIED:
        yield False, (f"copies of training images ({percent(copied)} more of the nearest ones than "
                      "chance)")  # fmt: skip


def _more_time(run: Run) -> Iterator[str]:
    """What the distance did in the last half of the run, and what as long again would give."""
    images, seconds = run.count("status", "images"), run.count("status", "seconds")
    if not images or not seconds:
        return
    level = run.count("evaluation", "real") or 0.0
    points = [(seen, far - level) for line, far in evaluations_in(run.history)
              if (seen := number(line.get("images")))
              and far is not None and far > level]  # fmt: skip
    if then := _relapse(run):
        yield then
        return
    slope = late_slope(points) if points else None
    if slope is None:
        return
    if rates_ended(run.info):
        later = later_horizon(run.info, 2)
        yield (
            "its learning rates have ended at 0, so more alone changes nothing: `steadygan "
            f"resume RUN --more TIME horizon_images={later}` lets them go on"
        )
        return
    fell = 1 - 2**slope  # over a doubling of the images
    length = f"{duration(seconds)} at {count(rate(images, seconds))} images/s"
    if fell < FLAT:
        yield f"in the last half of {length} the distance no longer fell: more alone changes little"
        return
    now, best = points[-1][1], min(far for _, far in points)
    if now * 2**slope >= best:
        yield "its evaluations go up and down too much to say what more time would give"
        return
    yield (
        f"the distance falls by {percent(fell)} a doubling of the images; if that goes on, as long "
        f"again ({length}) takes it from {figure(now + level)} to about "
        f"{figure(now * 2**slope + level)} (real images {figure(level)})"
    )


def _relapse(run: Run) -> str:
    """What to do where `steadygan sample` takes the best generator, since the last one is so much
    farther from real images; else nothing."""
    ratio = stability_of(run).last_over_best
    best, step = run.count("best", "step"), run.count("status", "step")
    if ratio is None or ratio < RELAPSE or best is None or best == step:
        return ""
    return (
        f"the last samples are {ratio:.1f} times as far from real images as those of step "
        f"{count(best)}, which are kept and which `steadygan sample` draws: find what made them "
        "worse before more time is given"
    )
