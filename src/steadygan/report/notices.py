"""What must not be overlooked: failures, runs that show nothing, what limits the comparison."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import mean

from steadygan.report.facts import as_dict, as_list
from steadygan.report.metrics import differing_features
from steadygan.report.overview import horizon_share, noun_of, run_share, shows_data, verdict_of
from steadygan.report.read import Run, Study, dig, families
from steadygan.report.text import count, listed, percent, words
from steadygan.stability.signals import number

#: More warnings of one kind than this are merged into one.
MOST_NOTICES = 4


@dataclass(frozen=True)
class Notice:
    """A callout; `tone` is bad, warn or note, `run` the index of the run it is about; `name` what
    to call it, if it is about all seeds of a method."""

    tone: str
    run: int | None
    text: str
    name: str = ""


def notices(study: Study) -> list[Notice]:
    """Failures first, then runs that show nothing, then what limits the comparison."""
    runs = list(enumerate(study.runs))
    found = [
        Notice("bad", index, f"failed at step {count(run.get('status', 'step'))}: {run.reason}")
        for index, run in runs
        if run.failed
    ]
    found += _shown_none(study)
    found += _not_finished(runs)
    found += [
        Notice("warn", index, f"does not repeat exactly: {words(mark)}")
        for index, run in runs
        for mark in as_list(run.get("inexact"))
    ]
    found += [Notice("note", index, text) for index, run in runs for text in changes(run)]
    short = _short_of_horizon(study)
    if short:
        text = (
            "Ended before the recipe's horizon, so its schedules had not run their course. Seen: "
        )
        found.append(Notice("note", None, text + "; ".join(short) + "."))
    if study.tables_problem:
        found.append(Notice("warn", None, f"no tables over seeds: {study.tables_problem}"))
    if differing := differing_features(study.runs):
        found.append(Notice("warn", None, differing))
    return found


def changes(run: Run) -> list[str]:
    """The settings that were changed when a run was resumed, a line each time."""
    found = []
    for segment in as_list(run.get("segments")):
        changed = [
            f"{words(key)} from {words(as_list(pair)[0])} to {words(as_list(pair)[-1])}"
            for key, pair in as_dict(dig(segment, "changed")).items()
            if as_list(pair)
        ]
        found.append(
            f"settings changed at step {count(dig(segment, 'step'))}: {', '.join(changed)}"
        )
    return found


def _shows_none(run: Run) -> str:
    found = run.get("measures", "recognisable")
    marks = [("real images", dig(found, "real")), ("pure noise", dig(found, "noise"))]
    known = [f"{percent(value)} of {name}" for name, value in marks if number(value) is not None]
    share = percent(run_share(run))
    compared = f" (against {' and '.join(known)})" if known else ""
    return f"{verdict_of(run)}: {share} of its samples are recognised{compared}"


def _not_finished(runs: list[tuple[int, Run]]) -> list[Notice]:
    """A warning for each run that did not finish, or one for many with the same state and
    reason."""
    by_text: dict[str, list[int]] = {}
    for index, run in runs:
        if not run.failed and run.state != "finished":
            text = f"{run.state}" + (f": {run.reason}" if run.reason else "")
            by_text.setdefault(text, []).append(index)
    found = []
    for text, mine in by_text.items():
        if len(mine) > MOST_NOTICES:
            found.append(Notice("warn", None, f"{len(mine)} runs are {text}"))
        else:
            found += [Notice("warn", index, f"is {text}") for index in mine]
    return found


def _shown_none(study: Study) -> list[Notice]:
    """A warning for each run that shows nothing of its data; one for all such seeds of a method."""
    if not study.seeded:
        return [
            Notice("warn", index, _shows_none(run))
            for index, run in enumerate(study.runs)
            if shows_data(run) is False
        ]
    found: list[Notice] = []
    short: list[str] = []
    for name, members in families(study.runs).items():
        none = [study.runs[i] for i in members if shows_data(study.runs[i]) is False]
        if none:
            noun = noun_of(none[0])
            shares = listed(percent(run_share(run)) for run in none)
            judged = sum(shows_data(study.runs[i]) is not None for i in members)
            which = "runs" if judged == len(members) else "judged runs"
            text = f"{len(none)} of {judged} {which} show no {noun}: {shares} recognised"
            found.append(Notice("warn", members[0], text, name))
            short.append(f"{name} {len(none)} of {judged} ({shares} recognised)")
    if len(found) > MOST_NOTICES:
        return [Notice("warn", None, f"Runs that show no {noun}: {'; '.join(short)}.")]
    return found


def _short_of_horizon(study: Study) -> list[str]:
    """For each method that did not see all of its horizon, how much of it it saw."""
    texts = []
    for name, members in families(study.runs).items():
        runs = [study.runs[i] for i in members if not study.runs[i].failed]
        shares = [s for run in runs if (s := horizon_share(run)) is not None and s < 1]
        if shares and study.single:
            run = runs[0]
            seen, whole = count(run.get("status", "images")), count(run.recipe["horizon_images"])
            texts.append(f"{seen} of {whole} images ({percent(shares[0])})")
        elif shares:
            label = name if study.seeded else runs[0].label
            texts.append(f"{label} {percent(mean(shares))}")
    return texts
