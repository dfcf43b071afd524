"""The `steadygan` command. Commands only: what they do lives in the folders beside this one."""

from __future__ import annotations

import os
import sys
import traceback
from importlib import metadata
from typing import Annotated

import typer
from rich.console import Console
from typer.exceptions import TyperException

from steadygan.cli import data, measures, methods, runs, studies
from steadygan.cli.options import say
from steadygan.errors import SteadyGanError


def print_version(wanted: bool) -> None:
    """Print `steadygan VERSION` and exit, where `--version` is given."""
    if wanted:
        print(f"steadygan {metadata.version('steadygan')}")
        raise typer.Exit


app = typer.Typer(
    name="steadygan",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def start(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and exit.", is_eager=True, callback=print_version
        ),
    ] = False,
) -> None:
    """Train GANs that stay stable, and prove it.

    Every command takes --debug, which shows a traceback with an error.
    """


for part in (runs, studies, measures, methods, data):
    app.add_typer(part.app)


def main() -> None:
    """Run the command; every error is one line on stderr and its exit code."""
    sys.path.insert(0, os.getcwd())  # where `generator=module:Name` looks first, as python -m does
    debug = "--debug" in sys.argv
    if debug:
        sys.argv.remove("--debug")
    try:
        app(standalone_mode=False)
    except (SteadyGanError, TyperException) as error:
        if debug:
            traceback.print_exc()
        text = error.format_message() if isinstance(error, TyperException) else str(error)
        Console(stderr=True, highlight=False, soft_wrap=True).print(
            f"steadygan: {text}", markup=False
        )
        raise SystemExit(error.exit_code) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except Exception as error:
        if debug:
            raise
        what = f"{type(error).__name__}: {error}".splitlines()[0]
        say(f"steadygan: unexpected {what}; the same command with --debug shows where")
        raise SystemExit(1) from None
