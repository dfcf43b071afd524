"""The command that says what went wrong: diagnose."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from steadygan.cli.options import (
    TrustCode,
    examples,
    load_torch,
    say,
    stop_after_or_unread,
    use_own_code,
)
from steadygan.errors import UserError

app = typer.Typer()


@app.command(
    epilog=examples(
        "steadygan diagnose runs/dcgan-mnist-s0",
        "steadygan diagnose studies/digits --json",
        "steadygan diagnose runs/dcgan-mnist-s0 --try 3",
    )
)
def diagnose(
    folder: Annotated[
        Path,
        typer.Argument(
            help="A run or study folder; or a log of another program: FILE.csv, FILE.jsonl, a "
            "folder of TensorBoard event files."
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
    columns: Annotated[
        list[str] | None,
        typer.Option("--map", help="Name a column of a log: d_loss=loss/D. Repeat it."),
    ] = None,
    trust_code: TrustCode = False,
) -> int:
    """Report what went wrong in a run, the numbers that show it, and what to change.

    Exit code 0: healthy, still improving or undecided; 1: a fault was found.
    """
    if not any((folder / name).exists() for name in ("run.json", "study.json")):
        return _of_log(folder, columns or [], as_json)
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
        _try(folder, try_advice, share, trust_code)
    return int(any(each.is_fault for each in found.values()))


def _of_log(path: Path, columns: list[str], as_json: bool) -> int:
    """Diagnose a log of another program, and print what its columns were taken for."""
    if not path.exists():
        raise UserError(f"{path}: no such file or folder")
    load_torch()
    from steadygan.diagnosis.diagnose import as_recorded, in_words
    from steadygan.diagnosis.foreign import diagnose_log, read_log

    for pair in columns:
        if "=" not in pair:
            raise UserError(f"--map {pair}: wants KEY=COLUMN, such as d_loss=loss/D")
    log, taken = read_log(path, dict(pair.split("=", 1) for pair in columns))
    found = diagnose_log(log)
    if as_json:
        print(json.dumps({**as_recorded(found), "columns": taken}, indent=1))
    else:
        print("taken for: " + ", ".join(f"{key}={column}" for key, column in taken.items()))
        for line in in_words(found, "METHOD", str(path)):
            print(line)
    return int(found.is_fault)


def _try(run: Path, most: int, share: float, trust_code: bool) -> None:
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

        for trial in trials(run, most, share, say, trust_code, watched):
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
