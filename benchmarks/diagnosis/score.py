"""How often the rules are right about runs that `make` has kept.

    python -m benchmarks.diagnosis.score RUNS.jsonl[.gz]... [--list] [--confusion]

A run is bad by its outcome: fewer than `BAD_SHARE` of its samples are recognised, or they lie more
than `BAD_WAY` of the way to noise. Cause-right: the headline is one that its kind accepts.
Symptom-right: the headline or an effect is one that its kind accepts as cause or symptom, or the
samples are said to be bad without a cause. A false alarm is a fault that is reported of a good run.
Bounds are one-sided 95 % ones (Clopper & Pearson 1934).
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from scipy.stats import beta, spearmanr

from benchmarks.diagnosis.kinds import BY_NAME, Kind
from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Diagnosis
from steadygan.diagnosis.ranking import diagnosed

#: Good runs are at least this often recognised and at most so far from real images; bad ones miss
#: both by a margin. What lies between is counted with neither.
GOOD_SHARE, GOOD_WAY = 0.4, 0.35
BAD_SHARE, BAD_WAY = 0.25, 0.5
#: What an untouched run that turned out bad may be told.
SEEN_IN_HEALTHY = {
    "still-improving", "partial-collapse", "total-collapse", "d-overpowers", "d-too-weak",
    "relapse", "plateau",
}  # fmt: skip


def runs_of(path: Path) -> Iterator[dict[str, Any]]:
    raw = path.read_bytes()
    whole = gzip.decompress(raw) if path.suffix == ".gz" else raw
    for text in whole.decode().splitlines():
        yield json.loads(text)


def truth(line: dict[str, Any]) -> str:
    """ "good", "bad" or "between", by outcome alone."""
    outcome = line["outcome"]
    if line["error"] or outcome["share"] < BAD_SHARE or outcome["way"] > BAD_WAY:
        return "bad"
    if outcome["share"] >= GOOD_SHARE and outcome["way"] <= GOOD_WAY:
        return "good"
    return "between"


def answer(line: dict[str, Any]) -> Diagnosis:
    return diagnosed(Evidence(line["facts"], line["history"]))


def named(line: dict[str, Any]) -> str:
    """The name of a run's headline, or the verdict where there is none."""
    return name_of(answer(line))


def name_of(found: Diagnosis) -> str:
    """The name of a headline, or the verdict where there is none."""
    if found.verdict == "improving":
        return "still-improving"
    return found.headline.name if found.headline and found.is_fault else found.verdict


def is_right(kind: Kind, name: str) -> bool:
    """Whether a headline is one that the kind accepts as its cause."""
    return name in (kind.causes or SEEN_IN_HEALTHY)


def bounds(right: int, of: int) -> str:
    """A share with its one-sided 95 % lower and upper bounds."""
    if not of:
        return "none"
    low = beta.ppf(0.05, right, of - right + 1) if right else 0.0
    high = beta.ppf(0.95, right + 1, of - right) if right < of else 1.0
    return f"{right} of {of} ({right / of:.0%}; at least {low:.0%}, at most {high:.0%})"


def confusion(lines: Iterable[dict[str, Any]]) -> Iterator[str]:
    """The confusion table in Markdown: what was done to a run, and what it was told, by outcome."""
    told: dict[str, dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    for line in lines:
        told[line["kind"]][truth(line)][named(line)] += 1
    yield "| what was done | bad runs are told | others are told |"
    yield "|---|---|---|"
    for kind, found in sorted(told.items()):
        accepted = BY_NAME[kind].causes or SEEN_IN_HEALTHY
        others = found["between"] + found["good"]
        cells = [", ".join(f"{f'**{name}**' if name in accepted else name} {n}"
                           for name, n in counts.most_common()) or "-"
                 for counts in (found["bad"], others)]  # fmt: skip
        yield f"| {kind} | {cells[0]} | {cells[1]} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--list", action="store_true", help="every run with its answer")
    parser.add_argument("--confusion", action="store_true", help="the confusion table in Markdown")
    asked = parser.parse_args()
    lines = [line for path in asked.runs for line in runs_of(path)]
    if asked.confusion:
        print("\n".join(confusion(lines)))
        return
    causes = symptoms = bad = alarms = told = good = 0
    table: Counter[tuple[str, str]] = Counter()
    for line in lines:
        kind, found, real = BY_NAME[line["kind"]], answer(line), truth(line)
        name = name_of(found)
        seen = {name, *(f.name for f in found.effects)}
        accepted = {*kind.causes, *kind.symptoms} or SEEN_IN_HEALTHY
        right = is_right(kind, name)
        if real == "bad":
            bad += 1
            causes += right
            symptoms += right or bool(seen & accepted) or found.verdict == "unexplained"
        elif real == "good":
            good += 1
            alarms += found.is_fault
            told += found.is_fault and name in kind.causes
        table[(f"{line['kind']} ({real})", name)] += 1
        if asked.list:
            mark = {True: "ok ", False: "---"}[right if real == "bad" else not found.is_fault]
            out = {k: round(v, 2) for k, v in line["outcome"].items()}
            print(f"{mark} {real:7} {line['kind']:20} {line['method']:8} {line['data']:13} "
                  f"{line['seed']} {name:22} {out}")  # fmt: skip
    print(f"{len(lines)} runs, {bad} bad and {good} good by outcome")
    print(f"cause right:   {bounds(causes, bad)}")
    print(f"symptom right: {bounds(symptoms, bad)}")
    print(f"false alarms:  {bounds(alarms, good)}; {told} of them name what was done to the run")
    pairs = [(way, line["outcome"]["way"]) for line in lines
             if (way := Evidence(line["facts"], line["history"]).way) is not None]  # fmt: skip
    print(f"rank correlation of the probes' distance with the outcome's: {spearmanr(pairs)[0]:.2f}")
    for (kind_name, name), count in sorted(table.items()):
        print(f"  {kind_name:32} {name:24} {count}")


if __name__ == "__main__":
    main()
