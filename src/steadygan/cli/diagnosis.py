"""The command that says what went wrong: diagnose."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from steadygan.cli.options import examples, load_torch
from steadygan.errors import UserError

if TYPE_CHECKING:
    from steadygan.diagnosis.finding import Diagnosis

app = typer.Typer()


@app.command(
    epilog=examples(
        "steadygan diagnose runs/dcgan-mnist-s0", "steadygan diagnose studies/digits --json"
    )
)
def diagnose(
    folder: Annotated[Path, typer.Argument(help="A run or study folder.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the whole answer as JSON, for programs.")
    ] = False,
) -> int:
    """Report what went wrong in a run, the numbers that show it, and what to change.

    Exit code 0: healthy, still improving or undecided; 1: a fault was found.
    """
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
    return int(any(_is_fault(each) for each in found.values()))


def _is_fault(found: Diagnosis) -> bool:
    return found.is_fault


def _runs_of(folder: Path) -> Iterator[Path]:
    """The run in a folder, or the runs of the study in it that have begun."""
    if (folder / "run.json").exists():
        yield folder
        return
    if not (folder / "study.json").exists():
        raise UserError(f"{folder}: no run or study folder (no run.json and no study.json in it)")
    from steadygan.records import read_study

    begun = [folder / "runs" / name for name in read_study(folder)["runs"]]
    begun = [run for run in begun if (run / "run.json").exists()]
    if not begun:
        raise UserError(f"{folder}: none of its runs has begun")
    yield from begun
