"""Whether the advice of a diagnosis makes bad runs good: each is trained again with it.

    python -m benchmarks.diagnosis.advice RUNS.jsonl[.gz]... --out trials.jsonl [--limit N]
    python -m benchmarks.diagnosis.advice RUNS.jsonl[.gz]... --score trials.jsonl

Of the runs that `make` kept, those that are bad by outcome and whose diagnosis advises a change
that can be typed: the first piece of advice, with the same data, seed and number of steps, judged
by outcome as the runs are. Where that run is not good and is told that it still improves, it is
given three times the steps (`after`). Faults in code (a patch) and in the data have no setting that
mends them, and runs that still improve are advised to go on: how many there are is said. With RUNS
the trials are also counted where a good run can be had at all: where most untouched runs of the
same method and data are good.
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
from steadygan.diagnosis.advice import changed
from steadygan.diagnosis.finding import Diagnosis
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


def is_good_after(line: dict[str, Any]) -> bool:
    """Whether a trial that was told to go on was good with three times the steps."""
    return "after" in line and truth({"error": "", "outcome": line["after"]}) == "good"


def score(path: Path, runs: list[Path]) -> None:
    lines = list(runs_of(path))
    untouched: dict[tuple[Any, ...], list[str]] = defaultdict(list)
    for line in (line for each in runs for line in runs_of(each)):
        if line["kind"].startswith("healthy"):
            untouched[line["method"], line["data"]].append(truth(line))
    ended: dict[str, Counter[str]] = defaultdict(Counter)
    first, later = [], []
    for line in lines:
        ends = "refused" if "refused" in line else truth(line)
        ended[line["kind"]][ends] += 1
        first.append(ends == "good")
        later.append(first[-1] or is_good_after(line))
    usable = sum(counts["good"] + counts["between"] for counts in ended.values())
    print(f"good again:   {bounds(sum(first), len(lines))}")
    print(f"or later:     {bounds(sum(later), len(lines))}, given three times the steps if told so")
    print(f"not bad:      {bounds(usable, len(lines))}")
    if untouched:
        known = [untouched[line["method"], line["data"]] for line in lines]
        can = [2 * each.count("good") > len(each) for each in known]
        print(f"where most untouched runs of the method on the data are good, {sum(can)} trials:")
        for said, each in (("good again", first), ("or later", later)):
            good = sum(g and c for g, c in zip(each, can, strict=True))
            print(f"  {said:12} {bounds(good, sum(can))}")
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
