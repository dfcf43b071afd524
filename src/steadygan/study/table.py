"""The tables of a study: table.md, table.tex, table.csv, and tables.json for the report."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from steadygan.errors import UserError, did_you_mean
from steadygan.files import write_whole
from steadygan.records import FLATTERED, looked_through
from steadygan.stability.curve import DISTANCES
from steadygan.study import layouts
from steadygan.study.leaders import SCORE, differences, leaders, said_of_leaders
from steadygan.study.render import OF_INTERVALS, Cell, Table, as_csv, latex, markdown
from steadygan.study.results import EntryResult, Results, read_results
from steadygan.study.statistics import chance, fewest_seeds, paired_test, power_said, spread

#: The measures that differences are tested in, the first that there is.
MAIN = (*DISTANCES, "reverse_kl")
NO_FID = "no distance was measured"


def write_tables(out: Path, layout: str = "summary", failed: Mapping[str, str] = {}) -> Path:
    """Write the tables of the study in `out` from its run folders; the path of table.md.

    `layout` is `summary` or `paper`; `failed` are reasons of runs that left no run folder.
    """
    make = layout_called(layout)
    results = read_results(out, failed)
    tables, notes = make(results), notes_on(results)
    write_whole(out / "table.md", markdown(tables, heading(results), notes))
    write_whole(out / "table.tex", latex(tables, notes, basis(results)))
    names = ["table.csv", *(f"table-{table.key}.csv" for table in tables[1:])]
    for name, table in zip(names, tables, strict=True):
        write_whole(out / name, as_csv(table))
    for path in out.glob("table-*.csv"):  # of another layout
        if path.name not in names:
            path.unlink()
    write_whole(out / "tables.json", json.dumps(facts(results), ensure_ascii=False, indent=1))
    return out / "table.md"


def layout_called(name: str) -> Any:
    """The function that makes a layout's tables from results."""
    known = {"summary": summary, "paper": layouts.paper}
    if name not in known:
        raise UserError(f"--layout {name}{did_you_mean(name, known)}")
    return known[name]


def heading(results: Results) -> str:
    seeds, methods = len(results.study["seeds"]), len(results.entries)
    length = _length(results.study)
    return (
        f"{methods} method{'s' * (methods > 1)} x {seeds} seed{'s' * (seeds > 1)} on "
        f"{results.data}, {length} a run"
    )


def _length(study: Mapping[str, Any]) -> str:
    """How long a run of the study is, in words."""
    if "steps" not in study:
        return f"{study['budget_seconds']:g} s"
    own = study.get("steps_of", {})
    steps = {own.get(entry, study["steps"]) for entry in study["methods"]}
    return " to ".join(f"{n:,}" for n in sorted({min(steps), max(steps)})) + " steps"


def basis(results: Results) -> str:
    """What the numbers of a table rest on, for its caption: samples, features, seeds and test."""
    seeds = results.study["seeds"]
    count = results.first("measures", "quality", "count")
    samples = f"{count:,} samples a run" if count is not None else ""
    features = f"features of {results.features}" if results.features else ""
    said = ", ".join(text for text in (samples, features, f"{len(seeds)} seeds") if text)
    bold = "bold: better than every other method by an exact permutation test, p <= .05"
    return f"{said[:1].upper()}{said[1:]}; {bold}."


# ---- summary -----------------------------------------------------------------------------------


def summary(results: Results) -> list[Table]:
    """Quality, stability, cost, the differences that hold, and the runs one by one."""
    tables = [quality(results), stability(results), stability_facts(results), diagnoses(results),
              cost(results), differing(results), each_run(results)]  # fmt: skip
    return [table for table in tables if table.rows]


def quality(results: Results) -> Table:
    metrics, main = results.metrics(), main_key(results)
    head = ["method", "seeds"]
    for metric in metrics:
        head.append(results.title(metric))
        head += [f"{results.title(metric)} at best"] * (metric.key == main)
    rows = []
    columns: dict[str, int] = {}
    for entry in results.entries:
        row: list[Cell] = [entry.name, survivors(entry)]
        for metric in metrics:
            columns[metric.key] = len(row)
            row.append(entry.spread(metric.key, "last"))
            row += [entry.spread(metric.key, "best")] * (metric.key == main)
        rows.append(row)
    found = leaders(results, {key: differences(results, key) for key in columns})
    names = [entry.name for entry in results.entries]
    best = {(names.index(first.name), columns[key]) for key, first in found.items()
            if first is not None and first.shows_data and key in columns}  # fmt: skip
    note = (
        f'Mean ± standard deviation over seeds at the last step{OF_INTERVALS}; "at best" is the '
        "run's best evaluation during training. seeds: those that ended with finite numbers, of "
        "all."
    )
    return Table("quality", "Quality", head, rows, note, best=frozenset(best))


def survivors(entry: EntryResult) -> str:
    done = sum(run.state == "finished" for run in entry.runs)
    return f"{done} of {len(entry.runs)}"


def stability(results: Results) -> Table:
    """The score over seeds with its interval, its parts, and the facts shown beside it."""
    parts = ("learned", "steadiness", "retention", "no_relapse", "smoothness")
    names = [part.replace("_", " ") for part in parts]
    head = ["method", "scored", "score", *names, "survived", "repeatable"]
    rows: list[list[Cell]] = []
    unscored = []
    for entry in results.entries:
        score = entry.score
        if not score.runs:
            continue
        survived = sum(run.stability.survived for run in entry.runs)
        rows.append([
            entry.name, f"{score.scored} of {score.runs}", spread(score.by_run),
            *(getattr(score, part) for part in parts), f"{survived} of {score.runs}",
            score.repeatable,
        ])  # fmt: skip
        unscored += [f"{entry.name}: {reason}" for reason in score.unscored]
    note = (
        "score: learned x steadiness, a mean over the scored runs; steadiness: the geometric mean "
        "of retention, no relapse and smoothness; each from 0 (bad) to 1. Read it beside the "
        "distance; docs/stability.md."
    )
    note += f" No score: {'; '.join(unscored)}." if unscored else ""
    return Table("stability", "Stability", head, rows, note)


def stability_facts(results: Results) -> Table:
    """Facts of the runs over all their evaluations and logged steps, means over seeds."""
    keys = {"last_over_best": "last / best", "worst_jump": "worst jump", "relapses": "relapses",
            "usable_images": "usable after images", "usable_seconds": "usable after s",
            "saturated": "D saturated", "g_gradient_norm": "G gradient norm"}  # fmt: skip
    rows: list[list[Cell]] = []
    for entry in results.entries:
        found = [run.stability.facts() for run in entry.runs if run.stability.evaluations]
        if found:
            values = [[f[key] for f in found if f[key] is not None] for key in keys]
            rows.append([entry.name, *map(spread, values)])
    note = "Ratios are of distances above what real samples get; docs/stability.md."
    title = "What the runs did"
    return Table("stability-facts", title, ["method", *keys.values()], rows, note, intervals=False)


def diagnoses(results: Results) -> Table:
    """How many runs of each method have which diagnosis."""
    rows: list[list[Cell]] = []
    for entry in results.entries:
        found = Counter(run.diagnosis for run in entry.runs if run.diagnosis)
        if found:
            said = ", ".join(f"{name} ({n})" for name, n in found.most_common())
            rows.append([entry.name, f"{found.total()} of {len(entry.runs)}", said])
    note = "From probes taken during training; `steadygan diagnose STUDY` gives their numbers."
    return Table("diagnosis", "Diagnosis", ["method", "diagnosed", "found (runs)"], rows, note,
                 intervals=False)  # fmt: skip


def cost(results: Results) -> Table:
    head = ["method", "parameters", "steps", "epochs", "images/s", "training s", "wall s"]
    rows: list[list[Cell]] = []
    for entry in results.entries:
        if entry.first("status", "step") is None:
            continue
        row: list[Cell] = [entry.name, layouts.parameters(entry)]
        row += [entry.over_runs("status", "step"), layouts.epochs(entry)]
        row += [layouts.images_a_second(entry)]
        row += [entry.over_runs("status", key) for key in ("seconds", "wall_seconds")]
        rows.append(row)
    return Table("cost", "Cost", head, rows, intervals=False)


def differing(results: Results) -> Table:
    """The differences in the main measure that hold or are likely."""
    found = [d for d in differences(results, main_key(results)) if d.verdict != "open"]
    rows: list[list[Cell]] = [
        [f"{d.one} - {d.other}", d.mean, f"{d.low:.4g} to {d.high:.4g}", float(d.p),
         f"{d.n} pairs" if d.paired else f"{d.n} a side", d.verdict]
        for d in sorted(found, key=lambda d: (d.verdict, d.p, -abs(d.mean)))
    ]  # fmt: skip
    head = ["difference", "mean", "95 % interval", "p", "seeds", "verdict"]
    note = "p: an exact permutation test of the hypothesis that both have one distribution."
    held = [(d.low, d.high) for d in found if d.verdict == "holds"]
    if any(low is not None and high is not None and low <= 0 <= high for low, high in held):
        note += " The test decides; the interval assumes normal values, and may include 0 where "
        note += "every pair of seeds agrees."
    return Table("differences", "Differences", head, rows, note)


def each_run(results: Results) -> Table:
    metrics = results.metrics()
    head = ["run", "seed", "state", "diagnosis", *(results.title(m) for m in metrics), "steps",
            "reason"]  # fmt: skip
    rows = [
        [run.name, run.seed, run.state, run.diagnosis or None,
         *(run.value(m.key, "last") for m in metrics), run.dig("status", "step"),
         run.reason or None]
        for run in results.runs
    ]  # fmt: skip
    return Table("runs", "Runs", head, rows)


# ---- differences -------------------------------------------------------------------------------


def main_key(results: Results) -> str | None:
    """The distance that most runs have, of several the first of `MAIN`: runs from before a study's
    distance changed have another one."""
    counts = {key: sum(run.value(key, "last") is not None for run in results.runs) for key in MAIN}
    most = max(counts.values())
    return next((key for key in MAIN if most and counts[key] == most), None)


def said_of(results: Results) -> str:
    """In words: how many differences hold, and what so many seeds can show at all."""
    key, seeds = main_key(results), len(results.study["seeds"])
    if key is None:
        return NO_FID
    found = differences(results, key)
    count = {verdict: sum(d.verdict == verdict for d in found) for verdict in ("holds", "likely")}
    if seeds < 2:
        return power_said(seeds)
    said = (
        f"Of {len(found)} pairs of methods, {count['holds']} differ at p <= .05 by "
        f"{paired_test(seeds)} of the hypothesis that both methods have one distribution, "
        f"{count['likely']} more are likely: every seed agrees, and an interval that "
        "assumes normal differences leaves out 0. The rest is open."
    )
    if seeds < fewest_seeds():
        return said + f" {power_said(seeds)}"
    expected = chance(seeds) * len(found)
    return said + f" By chance alone about {expected:.1f} of so many pairs would pass at .05."


# ---- notes and facts ---------------------------------------------------------------------------


def notes_on(results: Results) -> list[str]:
    """What every number depends on: command, seeds, samples, features, failures."""
    notes = [f"Made by: {results.study['command']}"] if results.study.get("command") else []
    seeds = ", ".join(str(seed) for seed in results.study["seeds"])
    notes.append(f"Training seeds: {seeds}; {results.study['threads']} thread(s) a run.")
    if own := results.study.get("steps_of"):
        said = ", ".join(f"{entry} {steps:,}" for entry, steps in own.items())
        notes.append(f"Steps of their own: {said}; {results.study['steps']:,} for the others.")
    if (count := results.first("measures", "quality", "count")) is not None:
        features = f", features {results.features}" if results.features else ""
        notes.append(f"Quality: {count:,} samples a run{features}.")
    flattered = [
        entry.name
        for entry in results.entries
        if any(looked_through(run.facts, results.features) for run in entry.runs)
    ]
    notes += [f"{', '.join(flattered)}: {FLATTERED}."] if flattered else []
    hashes = {run.dig("measures", "quality", "feature_hash") for run in results.runs} - {None}
    if len(hashes) > 1:
        notes.append(
            "The runs were judged by different features, so their distances do not compare: "
            + ", ".join(sorted(str(each)[:12] for each in hashes))
        )
    if (evaluation := results.first("evaluation")) is not None:
        notes.append(
            f"Stability: {evaluation['count']:,} samples an evaluation, every "
            f"{evaluation.get('every')}; the same distance for as many real samples is "
            f"{_figure(evaluation.get('real'))} (standard deviation over draws "
            f"{_figure(evaluation.get('real_sd'))}), for noise {_figure(evaluation.get('noise'))}."
        )
    notes.append(f"Differences: {said_of(results)}")
    notes += [said] if (said := leading(results)) else []
    notes += [f"{run.name} failed: {run.reason}" for run in results.runs if run.reason]
    waiting = [
        f"{run.name} ({run.state})"
        for run in results.runs
        if run.state not in ("finished", "failed")
    ]
    notes += [f"Not done: {', '.join(waiting)}."] if waiting else []
    return notes


def _figure(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, (int, float)) else "unknown"


def leading(results: Results) -> str:
    """Who is better than every other method in the main measure and in stability, in words."""
    if len(results.entries) < 2:
        return ""
    titles = {SCORE: "Stability score"} if any(e.scores_by_seed() for e in results.entries) else {}
    if (key := main_key(results)) is not None:
        titles = {key: f"{results.title_of(key)} at the last step", **titles}
    found = {key: differences(results, key) for key in titles}
    return said_of_leaders(titles, leaders(results, found))


def facts(results: Results) -> dict[str, Any]:
    """tables.json: what the report shows of a study beside its runs."""
    keys = [metric.key for metric in results.metrics()]
    found = {key: differences(results, key) for key in (*keys, SCORE)}
    first = leaders(results, found)
    return {
        "format": 1,
        "heading": heading(results),
        "notes": notes_on(results),
        "said_of_differences": said_of(results),
        "main": main_key(results),
        "metrics": [
            {"key": m.key, "title": results.title(m), "lower_is_better": m.lower_is_better}
            for m in results.metrics()
        ],
        "seeds": list(results.study["seeds"]),
        "entries": [_entry_facts(entry, keys) for entry in results.entries],
        "runs": [
            {"name": run.name, "entry": run.entry, "seed": run.seed, "state": run.state,
             "reason": run.reason, "diagnosis": run.diagnosis or None,
             "stability": run.stability.facts(),
             "quality": {at: {key: run.value(key, at) for key in keys} for at in ("last", "best")}}
            for run in results.runs
        ],
        "differences": {key: [d.facts() for d in of_key] for key, of_key in found.items()},
        "leaders": {key: one.facts() if one else None for key, one in first.items()},
        "said_of_leaders": leading(results),
    }  # fmt: skip


def _entry_facts(entry: EntryResult, keys: Sequence[str]) -> dict[str, Any]:
    spreads = {
        at: {key: s.facts() if (s := entry.spread(key, at)) else None for key in keys}
        for at in ("last", "best")
    }
    return {
        "name": entry.name,
        "method": entry.method,
        "optimises": layouts.optimises(entry.recipe),
        "quality": spreads,
        "stability": {
            **entry.score.facts(),
            "interval": s.facts() if (s := spread(entry.score.by_run)) else None,
        },
    }
