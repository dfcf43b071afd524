"""`steadygan data ...`: what data there is, what it looks like, and sets of one's own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

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
    """Every source of data: how to name it, what it is, and where its files come from."""
    from steadygan.data import SOURCES

    width = max(len(source.usage) for source in SOURCES.values())
    for source in SOURCES.values():
        print(f"{source.usage:{width}}  {source.about}")
        print(f"{'':{width}}    to get it: {source.missing}")


@build_app.callback()
def build_group() -> None:
    """Make a data set in a folder of its own."""


@build_app.command("hanzi")
def build_hanzi_set(
    package: Annotated[
        Path, typer.Argument(help="The folder package/ of npm hanzi-writer-data, unpacked.")
    ],
    out: Annotated[Path, typer.Argument(help="A new folder; open it as --data hanzi:OUT.")],
    classes: Annotated[
        int, typer.Option("--classes", help="The first so many characters of GB2312 level 1.")
    ] = 3740,
    characters: Annotated[
        str | None, typer.Option("--characters", help="A text whose characters are the classes.")
    ] = None,
    writers: Annotated[int, typer.Option("--writers", help="Images of a class.")] = 60,
    size: Annotated[int, typer.Option("--size", help="Side of the images in pixels.")] = 28,
    seed: Annotated[int, typer.Option("--seed", help="Other writers.")] = 0,
) -> None:
    """Chinese characters as handwriting, from the stroke data of `npm pack hanzi-writer-data`."""
    from steadygan.data.hanzi_build import build_hanzi
    from steadygan.study.progress import bars, counting

    with bars() as progress:
        build_hanzi(
            package, out, classes=classes, characters=characters, writers=writers, size=size,
            seed=seed, progress=counting(progress, "drawing"),
        )  # fmt: skip
    print(out)
