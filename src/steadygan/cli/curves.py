"""The command that gives the numbers of a run's history: curves."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from steadygan.cli.options import Force, examples, require_new

app = typer.Typer()


@app.command(epilog=examples("steadygan curves runs/dcgan-mnist-s0 --out curves.csv"))
def curves(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="File to write; without it, to stdout.")
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="As CSV, which is the only form.")] = True,
    force: Force = False,
) -> None:
    """Write the curves of a run as CSV: a row a logged step, a column a signal.

    Signals of probes are columns probe/..., pictures their paths; what a step has not is empty.
    """
    from steadygan.files import write_whole
    from steadygan.records import read_facts, read_history

    read_facts(run)  # says what is wrong with a folder that is no run
    if out is not None:
        require_new(out, force)
    rows = [dict(_flat(line)) for line in read_history(run)]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(dict.fromkeys(key for row in rows for key in row)))
    writer.writeheader()
    writer.writerows(rows)
    if out is None:
        print(text.getvalue(), end="")
    else:
        write_whole(out, text.getvalue())
        print(out)


def _flat(line: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """A history line without nesting: lists, such as histograms, are left out."""
    for key, value in line.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}/")
        elif not isinstance(value, list):
            yield prefix + key, value
