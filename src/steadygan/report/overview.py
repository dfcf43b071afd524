"""The first screen: what was run, and the results."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from statistics import mean

from steadygan.report.diagnosis import in_short
from steadygan.report.facts import as_dict, as_list, same
from steadygan.report.read import Run, Study, dig, families
from steadygan.report.text import NONE, count, duration, figure, listed, percent, rate, words
from steadygan.stability.signals import number

_NUMBERS = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten")


@dataclass(frozen=True)
class Glance:
    """One run in the table at a glance, or all seeds of one method; shares are numbers for the
    bar, the rest is in words. `run` is the index of the (first) run."""

    run: int
    name: str
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
    diagnoses: tuple[tuple[str, str], ...] = ()


def heading(study: Study) -> str:
    """The title of the page: which methods on which data."""
    name = dig(study.info, "data_used", "name") or study.info.get("data")
    data = words(name or same(study.runs, "data", "name") or "unknown data")
    if study.single:
        return f"{study.runs[0].label} on {data}"
    names = list(families(study.runs))
    number_word = _NUMBERS[len(names)] if len(names) < len(_NUMBERS) else len(names)
    what = names[0] if len(names) == 1 else f"{number_word} GAN methods"
    return f"{what} on {data}"


def summary(study: Study) -> str:
    """The outcome in one or two sentences: counts over finished runs, and no winner."""
    said = []
    finished = [run for run in study.runs if run.state == "finished"]
    measured = [run for run in finished if shows_data(run) is not None]
    if measured and study.single:
        recognised = percent(run_share(measured[0]))
        verdict = verdict_of(measured[0])
        said.append(f"The run {verdict}: {recognised} of its samples are recognised.")
    elif measured:
        good = sum(map(bool, map(shows_data, measured)))
        all_judged = len(measured) == len(finished)
        which = "finished" if all_judged else "judged"
        some = f"{good} of {len(measured)} {which} runs show {noun_of(measured[0])}"
        shares = [share for run in measured if (share := run_share(run)) is not None]
        some += f"; recognised: {_range(shares)} of a run's samples" if shares else ""
        said.append(f"{some}.")
        if not all_judged:
            said.append(f"{len(measured)} of {len(finished)} finished runs are judged.")
    failed = [run for run in study.runs if run.failed]
    if failed:
        runs = "1 run" if len(failed) == 1 else f"{len(failed)} runs"
        said.append("The run failed." if study.single else f"{runs} failed.")
    return " ".join(said)


def _range(shares: list[float]) -> str:
    """Shares from least to greatest: 3 % to 71 %."""
    return " to ".join(dict.fromkeys((percent(min(shares)), percent(max(shares)))))


def noun_of(run: Run) -> str:
    """What a run shows or does not: digits."""
    return verdict_of(run).removeprefix("shows no ").removeprefix("shows ")


def glance(index: int, run: Run) -> Glance:
    """The line of one run in the table at a glance."""
    found = run.get("measures", "recognisable")
    images, seconds = run.get("status", "images"), run.get("status", "seconds")
    return Glance(
        run=index,
        name=run.label,
        paper=str(run.get("title") or "").partition(". ")[0].rstrip("."),
        state=run.state,
        failed=run.failed,
        verdict=verdict_of(run),
        shows_data=shows_data(run),
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
        diagnoses=diagnoses([run]),
    )


def glances(study: Study) -> list[Glance]:
    """The lines of the table at a glance: one a method, over its seeds."""
    if not study.seeded:
        return [glance(index, run) for index, run in enumerate(study.runs)]
    return [
        _over_seeds(members[0], name, [study.runs[i] for i in members])
        for name, members in families(study.runs).items()
    ]


def _over_seeds(index: int, name: str, runs: list[Run]) -> Glance:
    """Means over the runs of one method."""
    first = glance(index, runs[0])
    measured = [run for run in runs if shows_data(run) is not None]
    good = sum(map(bool, map(shows_data, measured)))
    verdict = f"{good} of {len(measured)} show {noun_of(measured[0])}" if measured else NONE
    if measured and len(measured) < len(runs):
        verdict += f", {len(measured)} of {len(runs)} judged"
    states = [run.state for run in runs]
    tally = [f"{states.count(state)} {state}" for state in dict.fromkeys(states)]
    seen = [n for run in runs if (n := run.count("measures", "recognisable", "classes_seen"))
            is not None]  # fmt: skip
    rates = [rate(run.get("status", "images"), run.get("status", "seconds")) for run in runs]
    return replace(
        first,
        name=name,
        state=listed(tally),
        failed=all(run.failed for run in runs),
        verdict=verdict,
        shows_data=good == len(runs) if measured else None,
        share=mean_of([run_share(run) for run in runs]),
        seen=span(seen) + first.seen.lstrip("0123456789") if seen else NONE,
        steps=count(mean_of([run.count("status", "step") for run in runs])),
        images=count(mean_of([run.count("status", "images") for run in runs])),
        speed=count(mean_of(rates)),
        seconds=duration(mean_of([run.count("status", "seconds") for run in runs])),
        diagnoses=diagnoses(runs),
    )


def diagnoses(runs: list[Run]) -> tuple[tuple[str, str], ...]:
    """(what was found, its tone) of the runs, each once, with how many have it where it is not the
    only run."""
    found = Counter(short for run in runs if (short := in_short(run))[0])
    several = len(runs) > 1
    return tuple((f"{name} ({n})" if several else name, tone)
                 for (name, tone), n in found.most_common())  # fmt: skip


def speed_table(study: Study) -> list[tuple[int, str, list[str]]]:
    """The rows of `speed_rows` by method, with its name: means over its seeds."""
    rows = speed_rows(study.runs)
    if not study.seeded:
        return [(index, study.runs[index].label, cells) for index, cells in rows]
    found = []
    for name, members in families(study.runs).items():
        mine = [_speed(study.runs[i]) for i in members]
        means = [mean_of(list(values)) for values in zip(*mine, strict=True)]
        found.append((members[0], name, _speed_cells(means)))
    return found


def speed_rows(runs: list[Run]) -> list[tuple[int, list[str]]]:
    """For each run: images/s, ms a step, training time, wall time, parameters, horizon seen."""
    return [(index, _speed_cells(_speed(run))) for index, run in enumerate(runs)]


def _speed(run: Run) -> list[float | None]:
    status, sizes = run.get("status"), run.get("parameters")
    step, seconds = dig(status, "step"), dig(status, "seconds")
    steps_rate = rate(step, seconds)
    known = [n for item in as_dict(sizes).values() if (n := number(item)) is not None]
    return [
        rate(dig(status, "images"), seconds),
        1000 / steps_rate if steps_rate else None,
        number(seconds),
        number(dig(status, "wall_seconds")),
        number(dig(sizes, "g")),
        number(dig(sizes, "d")),
        sum(known) if known else None,
        horizon_share(run),
    ]


def _speed_cells(values: list[float | None]) -> list[str]:
    speed, step, seconds, wall, g, d, every, horizon = values
    return [
        count(speed), figure(step, 3), duration(seconds), duration(wall), count(g), count(d),
        count(every), percent(horizon),
    ]  # fmt: skip


def horizon_share(run: Run) -> float | None:
    """How much of its recipe's horizon a run has seen, 1 being all of it."""
    images, horizon = run.count("status", "images"), number(run.recipe.get("horizon_images"))
    return None if images is None or not horizon else min(1.0, images / horizon)


def run_share(run: Run) -> float | None:
    """The share of samples that the classifier recognises as images of the data."""
    return run.count("measures", "recognisable", "share")


def shows_data(run: Run) -> bool | None:
    shows = run.get("measures", "recognisable", "shows_data")
    return shows if isinstance(shows, bool) else None


def verdict_of(run: Run) -> str:
    said = run.get("measures", "recognisable", "verdict")
    if isinstance(said, str) and said:
        return said
    shows = shows_data(run)
    if shows is None:
        return NONE
    return "shows known classes" if shows else "shows no known classes"


def _classes_seen(run: Run) -> str:
    seen = run.count("measures", "recognisable", "classes_seen")
    classes = len(as_list(run.get("data", "class_names")))
    if seen is None:
        return NONE
    return f"{count(seen)} of {classes}" if classes else count(seen)


def mean_of(values: list[float | None]) -> float | None:
    """The mean of the values that are known."""
    known = [value for value in values if value is not None]
    return mean(known) if known else None


def span(values: list[float]) -> str:
    """Whole numbers from least to greatest: 9 to 10."""
    ends = dict.fromkeys((count(min(values)), count(max(values))))
    return " to ".join(ends)
