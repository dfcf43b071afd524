"""Whether the advice of a diagnosis makes bad runs good: each is trained again with it.

    python -m benchmarks.diagnosis.advice RUNS.jsonl[.gz]... --out trials.jsonl [--limit N]
    python -m benchmarks.diagnosis.advice RUNS.jsonl[.gz]... --score trials.jsonl

Of the runs that `make` kept, those that are bad by outcome and whose diagnosis advises a change
that can be typed: the first piece of advice, with the same data, seed and number of steps, judged
by outcome as the runs are. Where that run is not good and is told that it still improves, it is
given three times the steps (`after`). Faults in code (a patch) and in the data have no setting that
mends them, and runs that still improve are advised to go on: how many there are is said. Beside it
the baseline: what the untouched run of the same method, data and seed came to, where it is kept.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing as mp
import random
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from benchmarks.diagnosis.kinds import BY_NAME
from benchmarks.diagnosis.make import data_of, judge_of, recipe_of, trained
from benchmarks.diagnosis.score import answer, bounds, named, runs_of, truth
from steadygan.diagnosis.finding import Diagnosis
from steadygan.diagnosis.verify import changed
from steadygan.errors import UserError


def key_of(line: dict[str, Any]) -> tuple[Any, ...]:
    """What tells runs apart."""
    return tuple(line[key] for key in ("kind", "method", "data", "seed"))


def first_advice(found: Diagnosis) -> str | None:
    """The first change that the headline of a diagnosis advises and that can be typed."""
    if found.headline is None or found.verdict == "improving":
        return None
    return next((a.settings for a in found.headline.advice if a.settings), None)


def trial(job: tuple[dict[str, Any], str]) -> dict[str, Any]:
    """A run again, with `settings` on top of what its kind sets."""
    line, settings = job
    kind, data = BY_NAME[line["kind"]], data_of(line["data"])
    data = kind.data(data) if kind.data is not None else data
    named_as = {key: line[key] for key in ("kind", "method", "data", "seed")}
    try:
        recipe = changed(recipe_of(kind, line["method"], data), settings)
    except UserError as refused:
        return {**named_as, "settings": settings, "refused": str(refused)}
    again = trained(kind, recipe, data, line["data"], line["seed"])
    found = {**named_as, "settings": settings, "finding": named(line), "error": again["error"],
             "before": line["outcome"], "outcome": again["outcome"]}  # fmt: skip
    if truth(found) != "good":
        found["told"] = named({**named_as, **again})
        if found["told"] == "still-improving":
            longer = trained(kind, recipe, data, line["data"], line["seed"], times=3)
            found["after"] = longer["outcome"]
    return found


def score(path: Path, runs: list[Path]) -> None:
    lines = list(runs_of(path))
    untouched = {key_of(line)[1:]: truth(line) for each in runs for line in runs_of(each)
                 if line["kind"] == "healthy"}  # fmt: skip
    own = [untouched[key_of(line)[1:]] for line in lines if key_of(line)[1:] in untouched]
    ended: dict[str, Counter[str]] = defaultdict(Counter)
    for line in lines:
        ended[line["kind"]]["refused" if "refused" in line else truth(line)] += 1
    good = sum(counts["good"] for counts in ended.values())
    usable = sum(counts["good"] + counts["between"] for counts in ended.values())
    longer = sum(truth({"error": "", "outcome": line["after"]}) == "good"
                 for line in lines if "after" in line)  # fmt: skip
    print(f"good again:   {bounds(good, len(lines))}")
    print(
        f"or later:     {bounds(good + longer, len(lines))}, given three times the steps"
    )
    print(f"not bad:      {bounds(usable, len(lines))}")
    print(f"the method's own settings are good in {bounds(own.count('good'), len(own))}")
    for kind, counts in sorted(ended.items()):
        print(f"  {kind:20} " + ", ".join(f"{n} {what}" for what, n in counts.most_common()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="*")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--score", type=Path)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--limit", type=int, default=66)
    asked = parser.parse_args()
    if asked.score is not None:
        score(asked.score, asked.runs)
        return
    bad = [line for path in asked.runs for line in runs_of(path) if truth(line) == "bad"]
    jobs = [(line, settings) for line in bad if BY_NAME[line["kind"]].patch is None
            and (settings := first_advice(answer(line))) is not None]  # fmt: skip
    print(f"{len(bad)} bad runs, {len(jobs)} with a change to type", flush=True)
    random.Random(0).shuffle(jobs)
    jobs = jobs[: asked.limit]
    done = set()
    if asked.out.exists():
        done = {key_of(line) for line in runs_of(asked.out)}
    for name in {line["data"] for line, _ in jobs}:
        judge_of(name)
    left = [job for job in jobs if key_of(job[0]) not in done]
    with mp.get_context("spawn").Pool(asked.jobs) as pool, asked.out.open("a") as file:
        for n, line in enumerate(pool.imap_unordered(trial, left), 1):
            file.write(json.dumps(line) + "\n")
            file.flush()
            ended = "refused" if "refused" in line else truth(line)
            print(f"{n}/{len(left)} {line['kind']} {line['method']} {line['settings']}: {ended}",
                  flush=True)  # fmt: skip
    score(asked.out, asked.runs)


if __name__ == "__main__":
    main()
