"""The `steadygan` command. Commands only: what they do lives in the folders beside this one."""

from __future__ import annotations

import os
import sys
import time
import traceback
from importlib import metadata
from typing import Annotated

import typer
from rich.console import Console
from typer.exceptions import TyperException

from steadygan.cli import (
    curves,
    data,
    diagnosis,
    exporting,
    interrupts,
    measures,
    methods,
    recommend,
    runs,
    samples,
    streams,
    studies,
    web,
)
from steadygan.errors import SteadyGanError, UserError, in_a_line
from steadygan.launch import rank_and_count

#: The commands that several processes can run together; `work` starts them itself.
SHARED = ("train", "resume", "work")
#: torchrun ends all processes when one has failed; so the first one has time to say why.
PAUSE_SECONDS = 3.0


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
    context: typer.Context,
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
    if rank_and_count()[1] > 1 and context.invoked_subcommand not in SHARED:
        raise UserError(
            f"`steadygan {context.invoked_subcommand}` is of one process: torchrun is for "
            "train and resume"
        )


for part in (
    runs,
    samples,
    exporting,
    studies,
    recommend,
    diagnosis,
    measures,
    curves,
    methods,
    data,
    web,
):
    app.add_typer(part.app)


def main() -> None:
    """Run the command; every error is one line on stderr and its exit code."""
    debug = "--debug" in sys.argv
    if debug:
        sys.argv.remove("--debug")
    if os.environ.get("WORLD_SIZE") and os.environ.get("RANK", "0") != "0" and not debug:
        streams.hush()  # the first process of a run speaks for all
    with streams.guarded() as stdout, interrupts.ending():
        code = _run(stdout, debug)
    if code:
        raise SystemExit(code)


def _run(stdout: streams._Stream | None, debug: bool) -> int:
    """The exit code of the command."""
    try:
        streams.require_open(stdout)
        _require_working_folder()
        code = app(standalone_mode=False)
        return code if isinstance(code, int) and code else streams.code_at_end(stdout)
    except (Exception, interrupts.Interrupted) as error:
        interrupts.ignore()
        if debug:
            traceback.print_exc()
        text, code = _in_a_line(error)
        if not isinstance(error, (SteadyGanError, interrupts.Interrupted)):
            streams.speak()  # of this process alone
        elif streams.hushed():
            time.sleep(PAUSE_SECONDS)
        console = Console(stderr=True, highlight=False, soft_wrap=True)
        console.print(f"steadygan: {text}", markup=False, emoji=False)
        return code


def _require_working_folder() -> None:
    try:
        os.getcwd()
    except FileNotFoundError:
        raise UserError("the working folder is gone; `cd` to one that is there") from None


def _in_a_line(error: BaseException) -> tuple[str, int]:
    """An error in words, and its exit code."""
    if isinstance(error, TyperException):
        return error.format_message(), error.exit_code
    if isinstance(error, interrupts.Interrupted):
        return str(error), error.exit_code
    text, code = in_a_line(error)
    if text.startswith("unexpected"):
        text += "; the same command with --debug shows where"
    return text, code
