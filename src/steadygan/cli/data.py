"""`steadygan data ...`: what data there is, what it looks like, and sets of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steadygan.cli.options import (
    Force,
    examples,
    require_keys_of_data,
    require_new,
    say,
    use_threads,
)

if TYPE_CHECKING:
    import numpy as np

app = typer.Typer(name="data", help="List, show and build data sets.", no_args_is_help=True)
build_app = typer.Typer(name="build", help="Build a data set.", no_args_is_help=True)
app.add_typer(build_app)
SHOWN = 10  # pairs of near duplicates


@app.command("list", epilog=examples("steadygan data list"))
def list_sources() -> None:
    """List the sources of data: how to name each, what it is, where its files come from."""
    from steadygan.data import SOURCES

    width = max(len(source.usage) for source in SOURCES.values())
    for source in SOURCES.values():
        print(f"{source.usage:{width}}  {source.about}")
        print(f"{'':{width}}    to get it: {source.missing}")


@app.command(epilog=examples("steadygan data show folder:path/to/images size=64"))
def show(
    data: Annotated[str, typer.Argument(help="A source, as `steadygan data list` names them.")],
    settings: Annotated[
        list[str] | None,
        typer.Argument(
            help="key=value settings: size= channels= holdout= attribute= allow_bad=true"
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="NAME.png; the first free SOURCE-sheet[-N].png here by default."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Everything, as JSON.")] = False,
    force: Force = False,
) -> None:
    """What a data set holds: counts, sizes, fingerprint, duplicates, and a contact sheet."""
    import json

    from steadygan.data import open_data
    from steadygan.data.build.show import facts_of, in_words, write_sheet
    from steadygan.errors import UserError
    from steadygan.study.bars import Phases, bars
    from steadygan.study.request import read_request

    request = read_request(settings or [])
    require_keys_of_data(request, "data show")
    use_threads(request)
    if out is not None and out.suffix != ".png":
        raise UserError(f"--out {out}: wants NAME.png")
    if out is not None:
        require_new(out, force)
    with bars() as progress:
        dataset = open_data(data, request.data, progress=Phases(progress))
        facts = facts_of(dataset, Phases(progress))
    if len(dataset.shape) == 3:
        out = out or _sheet_of(dataset.name, force)
        facts["sheet"], facts["sheet_rows"] = str(out), write_sheet(dataset, out)
    if as_json:
        print(json.dumps(facts, indent=1, ensure_ascii=False))
        return
    print(in_words(facts))
    if "sheet" in facts:
        names = ", ".join(dict.fromkeys(facts["sheet_rows"]))
        print(f"sheet        {out}" + (f"; rows from the top: {names}" if names else ""))


def _sheet_of(name: str, force: bool) -> Path:
    """NAME-sheet.png here, or with a number after it, the first that is free."""
    path, number = Path(f"{name}-sheet.png"), 1
    while path.exists() and not force:
        number += 1
        path = Path(f"{name}-sheet-{number}.png")
    return path


def _features(images: np.ndarray) -> np.ndarray:
    """What unusual images are told by: features of a fixed random convolutional network."""
    import torch

    from steadygan.diagnosis.features import Scale
    from steadygan.training.inputs import as_played

    played = as_played(torch.from_numpy(images))
    return Scale(played)(played).numpy()


@build_app.callback()
def build_group() -> None:
    """Build a data set."""


@build_app.command(
    "folder",
    epilog=examples("steadygan data build folder pictures clean --size 64 --trim --dedupe"),
)
def build_folder_set(
    source: Annotated[
        Path, typer.Argument(metavar="SRC", help="Folder of images; a subfolder is a class.")
    ],
    out: Annotated[Path, typer.Argument(help="A new folder; open it as --data folder:OUT.")],
    size: Annotated[int, typer.Option("--size", help="Side of the images in pixels.")] = 64,
    grey: Annotated[bool, typer.Option("--grey", help="One channel instead of three.")] = False,
    trim: Annotated[bool, typer.Option("--trim", help="Cut off empty margins.")] = False,
    dedupe: Annotated[bool, typer.Option("--dedupe", help="Remove near duplicates.")] = False,
    pad: Annotated[
        bool, typer.Option("--pad/--crop", help="Pad each image to a square, or crop its centre.")
    ] = True,
    split: Annotated[
        float | None, typer.Option("--split", help="Share of images to train on; default 0.9.")
    ] = None,
    licence: Annotated[
        str | None, typer.Option("--licence", help="Licence of the images, for the data card.")
    ] = None,
    background: Annotated[
        str, typer.Option("--background", help="Colour under transparent parts: white, '#808080'.")
    ] = "white",
) -> None:
    """Build a data set from your own images: cleaned, square, split, with a data card."""
    from steadygan.data.build.folder import Options, build_folder
    from steadygan.study.bars import Phases, bars

    options = Options(size, grey, trim, dedupe, pad, split, licence, background)
    with bars() as progress:
        made = build_folder(source, out, options, Phases(progress), _features)
    for note in made.notes:
        say(f"note: {note}")
    for bad in made.bad:
        say(f"left out {bad['path']}: {bad['reason']}")
    for kept, removed, pair in made.pairs[:SHOWN]:
        say(f"near duplicate {removed} of {kept} (differs by {pair.rms:.1f} of 255)")
    if len(made.pairs) > SHOWN:
        say(f"and {len(made.pairs) - SHOWN} more in {out}/duplicates.csv")
    for flag, why in made.advised:
        say(f"suggested: {flag}: {why}")
    if made.unusual:
        first = ", ".join(made.unusual[:SHOWN])
        say(
            f"unusual, far from all others: {first}; the last row of {out}/contact-sheet.png shows "
            f"{len(made.unusual)}: take out what does not belong"
        )
    if licence is None:
        say("note: the card says 'licence: not stated'; --licence TEXT states it")
    say(
        f"{made.found:,} files: {len(made.kept):,} images in {len(made.class_names):,} classes, "
        f"{len(made.bad):,} left out, {len(made.pairs):,} near duplicates removed"
    )
    print(f"folder:{out}")


@build_app.command(
    "hanzi",
    epilog=examples("steadygan data build hanzi package hanzi100 --classes 100 --writers 60"),
)
def build_hanzi_set(
    package: Annotated[
        Path, typer.Argument(help="The folder package/ of npm hanzi-writer-data, unpacked.")
    ],
    out: Annotated[Path, typer.Argument(help="A new folder; open it as --data hanzi:OUT.")],
    classes: Annotated[
        int,
        typer.Option(
            "--classes", help="Number of classes: the first characters of GB2312 level 1."
        ),
    ] = 3740,
    characters: Annotated[
        str | None,
        typer.Option("--characters", help="Text whose characters are the classes instead."),
    ] = None,
    writers: Annotated[int, typer.Option("--writers", help="Number of images per class.")] = 60,
    size: Annotated[int, typer.Option("--size", help="Side of the images in pixels.")] = 28,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the writers' styles.")] = 0,
) -> None:
    """Build handwritten Chinese characters from the strokes of `npm pack hanzi-writer-data`."""
    from steadygan.data.build.hanzi import build_hanzi
    from steadygan.study.bars import Phases, bars

    with bars() as progress:
        build_hanzi(
            package, out, classes=classes, characters=characters, writers=writers, size=size,
            seed=seed, progress=Phases(progress),
        )  # fmt: skip
    print(out)
