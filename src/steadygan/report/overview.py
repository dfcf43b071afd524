"""The first screen: what was run, what came of it, and what must not be overlooked."""

from __future__ import annotations

from dataclasses import dataclass

from steadygan.report.facts import as_dict, as_list, same
from steadygan.report.read import Run, Study, dig
from steadygan.report.text import NONE, count, duration, figure, number, percent, rate, words

_NUMBERS = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten")


@dataclass(frozen=True)
class Notice:
    """A callout; `tone` is bad, warn or note, `run` the index of the run it is about."""

    tone: str
    run: int | None
    text: str


@dataclass(frozen=True)
class Glance:
    """One run in the table at a glance; shares are numbers for the bar, the rest is in words."""

    run: int
    paper: str
    state: str
    failed: bool
    verdict: str
    shows_data: bool | None
    share: float | None
    real: float | None
    noise: float | None
    seen: str
    steps: str
    images: str
    speed: str
    seconds: str
    generator: str
    discriminator: str


def heading(study: Study) -> str:
    """The title of the page: which methods on which data."""
    data = str(study.info.get("data") or same(study.runs, "data", "name") or "unknown data")
    if study.single:
        return f"{study.runs[0].label} on {data}"
    families = list(dict.fromkeys(run.family for run in study.runs))
    number_word = _NUMBERS[len(families)] if len(families) < len(_NUMBERS) else len(families)
    what = families[0] if len(families) == 1 else f"{number_word} GAN methods"
    return f"{what} on {data}"


def summary(study: Study) -> str:
    """The outcome in one or two sentences."""
    said = []
    measured = [run for run in study.runs if _shows(run) is not None]
    good = [run for run in measured if _shows(run)]
    if measured and study.single:
        share = percent(run_share(measured[0]))
        verdict = _verdict(measured[0])
        said.append(f"The run {verdict}: {share} of its samples are recognised.")
    elif measured:
        noun = _verdict(measured[0]).removeprefix("shows no ").removeprefix("shows ")
        some = f"{len(good)} of {len(study.runs)} runs show {noun}"
        best = max(measured, key=lambda run: run_share(run) or 0.0)
        said.append(f"{some}; most recognised: {best.label}, {percent(run_share(best))}.")
    failed = [run for run in study.runs if run.failed]
    if failed:
        runs = "1 run" if len(failed) == 1 else f"{len(failed)} runs"
        said.append("The run failed." if study.single else f"{runs} failed.")
    return " ".join(said)


def glance(index: int, run: Run) -> Glance:
    """The line of one run in the table at a glance."""
    found = run.get("measures", "recognisable")
    images, seconds = run.get("status", "images"), run.get("status", "seconds")
    return Glance(
        run=index,
        paper=str(run.get("title") or "").partition(". ")[0].rstrip("."),
        state=run.state,
        failed=run.failed,
        verdict=_verdict(run),
        shows_data=_shows(run),
        share=run_share(run),
        real=number(dig(found, "real")),
        noise=number(dig(found, "noise")),
        seen=_classes_seen(run),
        steps=count(run.get("status", "step")),
        images=count(images),
        speed=count(rate(images, seconds)),
        seconds=duration(seconds),
        generator=count(run.get("parameters", "g")),
        discriminator=count(run.get("parameters", "d")),
    )


def notices(study: Study) -> list[Notice]:
    """Failures first, then runs that show nothing, then what limits the comparison."""
    runs = list(enumerate(study.runs))
    found = [
        Notice("bad", index, f"failed at step {count(run.get('status', 'step'))}: {run.reason}")
        for index, run in runs
        if run.failed
    ]
    found += [Notice("warn", i, _shows_none(run)) for i, run in runs if _shows(run) is False]
    found += [
        Notice("warn", index, f"is {run.state}" + (f": {run.reason}" if run.reason else ""))
        for index, run in runs
        if not run.failed and run.state != "finished"
    ]
    found += [
        Notice("warn", index, f"does not repeat exactly: {words(mark)}")
        for index, run in runs
        for mark in as_list(run.get("inexact"))
    ]
    short = [text for _, run in runs if (text := _short_of_horizon(run, study.single))]
    if short:
        text = (
            "Ended before the recipe's horizon, so its schedules had not run their course. Seen: "
        )
        found.append(Notice("note", None, text + "; ".join(short) + "."))
    return found


def speed_rows(runs: list[Run]) -> list[tuple[int, list[str]]]:
    """For each run: images/s, ms a step, training time, wall time, parameters, horizon seen."""
    rows = []
    for index, run in enumerate(runs):
        status = run.get("status")
        step, seconds = dig(status, "step"), dig(status, "seconds")
        steps_rate = rate(step, seconds)
        sizes = run.get("parameters")
        known = [n for item in as_dict(sizes).values() if (n := number(item)) is not None]
        cells = [
            count(rate(dig(status, "images"), seconds)),
            figure(1000 / steps_rate, 3) if steps_rate else NONE,
            duration(seconds),
            duration(dig(status, "wall_seconds")),
            count(dig(sizes, "g")),
            count(dig(sizes, "d")),
            count(sum(known)) if known else NONE,
            percent(horizon_share(run)),
        ]
        rows.append((index, cells))
    return rows


def horizon_share(run: Run) -> float | None:
    """How much of its recipe's horizon a run has seen, 1 being all of it."""
    images, horizon = run.count("status", "images"), number(run.recipe.get("horizon_images"))
    return None if images is None or not horizon else min(1.0, images / horizon)


def run_share(run: Run) -> float | None:
    """The share of samples that the classifier recognises as images of the data."""
    return run.count("measures", "recognisable", "share")


def _shows(run: Run) -> bool | None:
    shows = run.get("measures", "recognisable", "shows_data")
    return shows if isinstance(shows, bool) else None


def _verdict(run: Run) -> str:
    said = run.get("measures", "recognisable", "verdict")
    if isinstance(said, str) and said:
        return said
    return {True: "shows its data", False: "shows nothing of its data"}.get(_shows(run), NONE)


def _shows_none(run: Run) -> str:
    found = run.get("measures", "recognisable")
    marks = [("real images", dig(found, "real")), ("pure noise", dig(found, "noise"))]
    known = [f"{percent(value)} of {name}" for name, value in marks if number(value) is not None]
    share = percent(run_share(run))
    compared = f" (against {' and '.join(known)})" if known else ""
    return f"{_verdict(run)}: {share} of its samples are recognised{compared}"


def _classes_seen(run: Run) -> str:
    seen = run.count("measures", "recognisable", "classes_seen")
    classes = len(as_list(run.get("data", "class_names")))
    if seen is None:
        return NONE
    return f"{count(seen)} of {classes}" if classes else count(seen)


def _short_of_horizon(run: Run, single: bool) -> str:
    share = horizon_share(run)
    if share is None or share >= 1 or run.failed:
        return ""
    if not single:
        return f"{run.label} {percent(share)}"
    seen, horizon = count(run.get("status", "images")), count(run.recipe["horizon_images"])
    return f"{seen} of {horizon} images ({percent(share)})"
