"""The score's parts on other people's runs: summaries of public training logs.

    python -m benchmarks.public_logs FILE.csv [RUN ...]

FILE has a row a run with the columns dataset, run, best_fid and last_fid (of Inception). A summary
has no curve, so of the steadiness only `retention` is known: relapses and jumps of runs with 21 to
583 evaluations are not on one grid. Nor is it known what real samples and an untrained generator
get: `LEVELS` and `START` are assumed, and the last lines say how much hangs on that. Prints a
Markdown table of all runs, or of those named."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from steadygan.errors import UserError
from steadygan.stability.curve import RELAPSE, Levels, learned, ratio

#: Assumed: an untrained generator's FID, what real images get, and that FID is known to within 1.
START = 400.0
LEVELS = Levels(real=0.0, noise=START, real_sd=1 / 3)
#: Other starts that the ranks are checked with.
OTHER_STARTS = (250.0, 600.0)
COLUMNS = ("dataset", "run", "best_fid", "last_fid")


@dataclass(frozen=True)
class Summary:
    """One run of a public log."""

    data: str
    run: str
    best: float
    last: float

    @property
    def retention(self) -> float:
        return LEVELS.excess(self.best) / LEVELS.excess(self.last)

    def learned(self, start: float = START) -> float:
        return learned(start, LEVELS.excess(self.best), LEVELS.floor) or 0.0

    def score(self, start: float = START) -> float:
        return self.learned(start) * self.retention

    @property
    def survived(self) -> bool:
        """What a summary can say of it: no relapse at the end, and usable."""
        relapsed = ratio(LEVELS.excess(self.last), LEVELS.excess(self.best)) > RELAPSE
        return not relapsed and LEVELS.usable(self.last)


def read(path: Path) -> list[Summary]:
    """The runs of a CSV file; raises UserError where it lacks a column or a number."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    missing = [name for name in COLUMNS if not rows or name not in rows[0]]
    if missing:
        raise UserError(f"{path}: no rows or no column {', '.join(missing)}; give a log summary")
    return [
        Summary(row["dataset"], row["run"], float(row["best_fid"]), float(row["last_fid"]))
        for row in rows
    ]


def ranks(values: Sequence[float]) -> list[int]:
    """1 for the highest; equal values share the better rank."""
    return [1 + sum(other > value for other in values) for value in values]


def table(runs: Sequence[Summary], named: Sequence[str] = ()) -> str:
    """The runs by their score, with their rank by last / best alone, within their data set."""
    head = ("data", "run", "best FID", "last FID", "last / best", "rank by last / best", "learned",
            "retention", "learned x retention", "rank", "survived")  # fmt: skip
    lines = [head, ("---",) * len(head)]
    for data in dict.fromkeys(run.data for run in runs):
        mine = [run for run in runs if run.data == data]
        by_retention = ranks([run.retention for run in mine])
        by_score = ranks([run.score() for run in mine])
        ordered = sorted(zip(mine, by_retention, by_score, strict=True), key=lambda row: row[2])
        lines += [
            (data, run.run, f"{run.best:.1f}", f"{run.last:.1f}", f"{run.last / run.best:.2f}",
             f"{place} of {len(mine)}", f"{run.learned():.2f}", f"{run.retention:.2f}",
             f"{run.score():.2f}", f"{rank}", "yes" if run.survived else "no")
            for run, place, rank in ordered
            if not named or run.run in named
        ]  # fmt: skip
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def moved(runs: Sequence[Summary], start: float) -> int:
    """By how many places at most a run's rank within its data moves with another assumed start."""
    worst = 0
    for data in dict.fromkeys(run.data for run in runs):
        mine = [run for run in runs if run.data == data]
        pair = (ranks([run.score(at) for run in mine]) for at in (START, start))
        worst = max(worst, *(abs(a - b) for a, b in zip(*pair, strict=True)))
    return worst


def main() -> None:
    if len(sys.argv) < 2:
        sys.exit("usage: python -m benchmarks.public_logs FILE.csv [RUN ...]")
    runs = read(Path(sys.argv[1]))
    print(table(runs, sys.argv[2:]))
    for start in OTHER_STARTS:
        print(f"\nWith an assumed start of {start:.0f} no rank moves by more than "
              f"{moved(runs, start)}.")  # fmt: skip


if __name__ == "__main__":
    main()
