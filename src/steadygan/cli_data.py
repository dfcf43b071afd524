"""`steadygan data ...`: what data there is, what it looks like, and sets of one's own."""

from __future__ import annotations

import sys

import typer

app = typer.Typer(name="data", help="Data sets: list, look at, build.", no_args_is_help=True)
build_app = typer.Typer(
    name="build", help="Make a data set in a folder of its own.", no_args_is_help=True
)
app.add_typer(build_app)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@app.command("list")
def list_sources() -> None:
    """Every source of data, how to name it and what it is."""
    from steadygan.data import SOURCES

    width = max(len(source.usage) for source in SOURCES.values())
    for source in SOURCES.values():
        print(f"{source.usage:{width}}  {source.about}")


@build_app.callback()
def build_group() -> None:
    """Make a data set in a folder of its own."""
