"""The long fault counts of steadygan's promises: `python -m benchmarks.reliability`.

The same checks as tests/reliability, in the counts of docs/reliability.md. `--only R5` runs one
promise, `--scale 0.1` a tenth of every count. Exit code 1 where a promise does not hold.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from tests.reliability import (
    archives,
    asking,
    children,
    files,
    games,
    killing,
    pairs,
    pictures,
    poisoning,
    resuming,
    shapes,
    studies,
    web,
)

Tick = Callable[[], None]


@dataclass(frozen=True)
class Check:
    """One promise in its full count. `run(count, folder, tick)` raises where it does not hold and
    returns what was counted; it calls `tick()` for each piece of the count."""

    id: str
    promise: str
    count: int
    run: Callable[[int, Path, Tick], str]


def checks() -> Iterator[Check]:
    yield Check("R1", "exact resume, cut anywhere, every method", 39, every_cut)
    yield Check("R2", "no tensor outside the checkpoint", len(resuming.SUBJECTS), walks)
    yield Check("R3", "every group of keys counts", len(resuming.SUBJECTS), drops)
    for method in games.METHODS:
        count = 200 if method == "wgan-gp" else 10
        yield Check("R5", f"kill -9, {method}", count, of_method(killing.killed, method))
    yield Check("R5b", "kill -9 of studies with --jobs 2", 10, studies.studies_killed)
    for method in games.METHODS:
        yield Check("R6", f"damaged checkpoints, {method}", 3000 // len(games.METHODS),
                    of_method(files.mutated, method))  # fmt: skip
    yield Check("R7", "the order of a save", 50, files.ordered_save)
    yield Check("R8", "disk full at each write call", 64, files.full_at_each_write)
    yield Check("R8", "a disk that is really full", len(games.METHODS), full_disks)
    for method in games.METHODS:
        others = 10 * (len(games.METHODS) - 1)
        count = max(20, 200 - others) if method == "wgan-gp" else 10
        yield Check("R11", f"SIGTERM, SIGINT, {method}", count,
                    of_method(killing.signalled, method))  # fmt: skip
    yield Check("R12", "--stop-after, gan", 5, of_method(killing.stopped_on_time, "gan"))
    for method in games.METHODS:
        yield Check("R13", f"NaN, Inf at steps 0, 1, 100, {method}", 93, poisons(method))
    yield Check("R14", "mutated images in a folder", 10_000, pictures.mutated_folder)
    yield Check("R15", "image bombs of each format", 6, refused_bombs)
    yield Check("R17", "hostile zips", len(archives.HOSTILE), archives.hostile)
    yield Check("R17", "zips of the largest pictures allowed", 2, large_zips)
    for method in games.METHODS:
        yield Check("R18", f"every objective and part with {method}", len(pairs.pairs()),
                    all_pairs(method))  # fmt: skip
    yield Check("R18", "overrides over all sources and methods", 300, asking.fuzzed)
    yield Check("R20", "hostile paths at each route of the web app", 200, web.hostile_paths)
    yield Check("R20", "hostile inputs to the web app", 500, web.hostile_inputs)
    yield Check("R20", "clients of 50 calls each at once", 20, web.many_clients)
    yield Check("R21", "files of another shape", 2000, misshapen_files)


def of_method(function: Callable, method: str) -> Callable[[int, Path, Tick], str]:
    return lambda count, folder, tick: function(count, folder, method, tick=tick)


def every_cut(count: int, folder: Path, tick: Tick) -> str:
    """Every method cut once, at 17 and at `count` - 1 other steps spread over 1 to 39."""
    spread = [round(1 + k * (resuming.STEPS - 2) / max(1, count - 1)) for k in range(count)]
    cuts = [(cut,) for cut in dict.fromkeys([17, *spread])][:count]
    subjects = len(resuming.SUBJECTS)
    calls = iter(range(1, 10**6))
    done = resuming.exact_resume(cuts, folder, lambda: next(calls) % subjects or tick())
    return f"{done} cut runs"


def misshapen_files(count: int, folder: Path, tick: Tick) -> str:
    return shapes.misshapen(count, folder, tick=tick)


def walks(count: int, folder: Path, tick: Tick) -> str:
    for subject in resuming.SUBJECTS[:count]:
        (folder / subject).mkdir()
        assert children.run(resuming.walked, subject, folder / subject, folder=folder) == 0
        tick()
    return f"{count} games walked"


def drops(count: int, folder: Path, tick: Tick) -> str:
    for subject in resuming.SUBJECTS[:count]:
        (folder / subject).mkdir()
        assert children.run(resuming.dropping, subject, folder / subject, folder=folder) == 0
        tick()
    return f"{count} games, each group dropped"


def full_disks(count: int, folder: Path, tick: Tick) -> str:
    for method in games.METHODS[:count]:
        (folder / method).mkdir()
        files.really_full(folder / method, method)
        tick()
    return f"{count} real full disks"


def refused_bombs(count: int, folder: Path, tick: Tick) -> str:
    return pictures.refused_bombs(folder)


def large_zips(count: int, folder: Path, tick: Tick) -> str:
    return archives.large(folder)


def all_pairs(method: str) -> Callable[[int, Path, Tick], str]:
    return lambda count, folder, tick: pairs.every_pair(method, tick)


def poisons(method: str) -> Callable[[int, Path, Tick], str]:
    """All 93 poisoned runs of a method; a smaller count leaves out step 100, then values."""

    def run(count: int, folder: Path, tick: Tick) -> str:
        steps = (0, 1, 100) if count >= 60 else (0, 1)
        values = (poisoning.NAN, poisoning.INF, -poisoning.INF)
        whole = count >= 30
        return poisoning.poisoned(method, folder, tick, steps, values, every_value=whole)

    return run


def measure(check: Check, count: int, progress: Progress) -> tuple[str, bool, float]:
    """What a check counted or why it failed, whether it holds, and its seconds."""
    task = progress.add_task(f"{check.id} {check.promise}", total=count)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="steadygan-reliability-") as folder:
        os.environ["STEADYGAN_CACHE"] = f"{folder}/cache"
        try:
            found = check.run(count, Path(folder), lambda: progress.advance(task))
            holds = True
        except BaseException as error:  # a skip of pytest's is one too
            if isinstance(error, KeyboardInterrupt):
                raise
            holds = type(error).__name__ == "Skipped"
            found = f"skipped: {error}" if holds else f"{type(error).__name__}: {error}"
            if not holds:
                progress.console.print(traceback.format_exc(), markup=False)
    progress.update(task, visible=False)
    return found, holds, time.monotonic() - started


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", help="one promise, such as R5")
    parser.add_argument("--scale", type=float, default=1.0, help="a share of every count")
    asked = parser.parse_args()
    chosen = [c for c in checks() if asked.only in (None, c.id)]
    if not chosen:
        known = ", ".join(dict.fromkeys(c.id for c in checks()))
        parser.error(f"--only {asked.only}: known are {known}")
    torch.set_num_threads(1)
    table = Table("id", "promise", "count", "result", "seconds", title="steadygan under faults")
    failed = 0
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
               TimeElapsedColumn())  # fmt: skip
    console = Console(stderr=True)
    with Progress(*columns, console=console) as progress:
        for check in chosen:
            count = max(1, round(check.count * asked.scale))
            found, holds, seconds = measure(check, count, progress)
            failed += not holds
            result = found if holds else f"FAILED: {found.splitlines()[0][:160]}"
            table.add_row(check.id, check.promise, str(count), result, f"{seconds:.0f}")
            if not console.is_terminal:
                print(f"{check.id} {check.promise}: {result} ({seconds:.0f} s)", file=sys.stderr)
    Console(width=None if sys.stdout.isatty() else 140).print(table)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
