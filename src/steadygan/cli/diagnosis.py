"""The command that says what went wrong: diagnose."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from steadygan.cli.options import (
    TrustCode,
    examples,
    load_torch,
    minutes,
    say,
    stop_after_or_unread,
    use_own_code,
)
from steadygan.errors import UserError

if TYPE_CHECKING:
    from steadygan.diagnosis.finding import Diagnosis

app = typer.Typer()


@app.command(
    epilog=examples(
        "steadygan diagnose runs/dcgan-mnist-s0",
        "steadygan diagnose studies/digits --json",
        "steadygan diagnose runs/dcgan-mnist-s0 --try 3",
        "steadygan diagnose their_samples --real folder:photos",
    )
)
def diagnose(
    folder: Annotated[
        Path,
        typer.Argument(
            help="A run or study folder; or what another program left: FILE.csv, FILE.jsonl, a "
            "folder of TensorBoard event files, a folder of sample grids."
        ),
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the whole answer as JSON, for programs.")
    ] = False,
    try_advice: Annotated[
        int,
        typer.Option(
            "--try",
            min=0,
            max=20,
            help="Train the run again with each of the first N pieces of advice (same data, seed "
            "and settings, a third of its steps) in RUN-try/, and say what each came to.",
        ),
    ] = 0,
    share: Annotated[
        float, typer.Option("--share", min=0.01, max=1.0, help="The share of the steps of --try.")
    ] = 1 / 3,
    budget: Annotated[
        str | None,
        typer.Option("--budget", help="Training time for all of --try, in place of --share: 10m."),
    ] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option("--map", help="Name a column of a log: d_loss=loss/D. Repeat it."),
    ] = None,
    real: Annotated[
        str | None,
        typer.Option("--real", help="Of a folder of grids: the real images, as --data names them."),
    ] = None,
    tile: Annotated[
        int | None,
        typer.Option(
            "--tile", min=8, max=512, help="Of a folder of grids: a sample's side in pixels."
        ),
    ] = None,
    trust_code: TrustCode = False,
) -> int:
    """Report what went wrong in a run, the numbers that show it, and what to change.

    Exit code 0: healthy, still improving or undecided; 1: a fault was found.
    """
    if not any((folder / name).exists() for name in ("run.json", "study.json")):
        if try_advice or budget:
            raise UserError(f"--try and --budget are for runs of ours; {folder} is none")
        return _of_other(folder, columns or [], real, tile, as_json)
    if real or tile or columns:
        raise UserError(
            f"--real, --tile and --map are for what other programs left; {folder} is a run or study"
        )
    load_torch()
    from steadygan.diagnosis.diagnose import as_recorded, diagnose, in_words
    from steadygan.training.runfolder import read_facts

    runs = list(_runs_of(folder))
    found = {run: diagnose(run) for run in runs}
    if as_json:
        answers: dict[str, Any] = {str(run): as_recorded(each) for run, each in found.items()}
        print(json.dumps(answers[str(folder)] if folder in runs else answers, indent=1))
    else:
        for run, each in found.items():
            if folder not in runs:
                print(f"{run.name}:")
            for line in in_words(each, str(read_facts(run).get("method", "METHOD")), str(run)):
                print(line)
    if try_advice:
        _try(folder, try_advice, share, minutes(budget, "--budget"), trust_code)
    elif budget:
        raise UserError("--budget is for --try: how long its trials may train")
    return int(any(each.is_fault for each in found.values()))


def _of_other(
    path: Path, columns: list[str], real: str | None, tile: int | None, as_json: bool
) -> int:
    """Diagnose a log or a folder of grids of another program, and print what was read."""
    if not path.exists():
        raise UserError(f"{path}: no such file or folder")
    load_torch()
    from steadygan.diagnosis.diagnose import as_recorded, in_words

    grids = path.is_dir() and not any(path.rglob("events.out.tfevents.*"))
    if grids and columns:
        raise UserError(f"--map: {path} has no log; columns are those of FILE.csv, FILE.jsonl")
    if not grids and (real or tile):
        raise UserError(f"--real and --tile are for a folder of sample grids; {path} is a log")
    found, read = _of_grids(path, real, tile) if grids else _of_log(path, columns)
    if as_json:
        print(json.dumps({**as_recorded(found), **read}, indent=1))
    else:
        for name, what in read.items():
            said = what if isinstance(what, str) else ", ".join(f"{k}={v}" for k, v in what.items())
            print(f"{'taken for' if name == 'columns' else name}: {said}")
        for line in in_words(found, "METHOD", str(path)):
            print(line)
    return int(found.is_fault)


def _of_log(path: Path, columns: list[str]) -> tuple[Diagnosis, dict[str, Any]]:
    from steadygan.diagnosis.foreign import diagnose_log, read_log

    for pair in columns:
        if "=" not in pair:
            raise UserError(f"--map {pair}: wants KEY=COLUMN, such as d_loss=loss/D")
    log, taken = read_log(path, dict(pair.split("=", 1) for pair in columns))
    return diagnose_log(log), {"columns": taken}


def _of_grids(path: Path, real: str | None, tile: int | None) -> tuple[Diagnosis, dict[str, Any]]:
    from steadygan.diagnosis.grids import diagnose_grids, read_grids

    grids = read_grids(path, tile)
    count, channels, height, width = grids[-1].samples.shape
    last = f"{count} samples of {height} x {width} px with {channels} channel(s)"
    read = {"grids": f"{len(grids)} read; {last} in {grids[-1].name}"}
    return diagnose_grids(grids, real), read


def _try(
    run: Path, most: int, share: float, budget_minutes: float | None, trust_code: bool
) -> None:
    """Try advice, and print what each piece came to."""
    if not (run / "run.json").exists():
        raise UserError(f"--try: {run} is a study; give one of its runs")
    from steadygan.diagnosis.verify import trials
    from steadygan.study.bars import bars
    from steadygan.study.progress import RunBar
    from steadygan.training import Goal, Hooks

    use_own_code(trust_code)
    stop = stop_after_or_unread(None)
    with stop.listening(), bars() as progress:

        @contextmanager
        def watched(name: str, goal: Goal) -> Iterator[Hooks]:
            with RunBar(progress, name, goal) as bar:
                yield Hooks(bar, stop)
            progress.remove_task(bar.task)

        for trial in trials(run, most, share, say, trust_code, watched, budget_minutes):
            print(trial)


def _runs_of(folder: Path) -> Iterator[Path]:
    """The run in a folder, or the runs of the study in it that have begun."""
    if (folder / "run.json").exists():
        yield folder
        return
    from steadygan.records import read_study

    begun = [folder / name for name in read_study(folder)["runs"]]
    begun = [run for run in begun if (run / "run.json").exists()]
    if not begun:
        raise UserError(f"{folder}: none of its runs has begun")
    yield from begun
