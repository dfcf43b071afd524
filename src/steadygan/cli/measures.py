"""Commands that measure: evaluate, and weights for it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from steadygan.cli.options import (
    DATA_HELP,
    Device,
    Force,
    Seed,
    opened,
    require_keys_of_data,
    require_new,
    say,
    use_threads,
)

app = typer.Typer()


@app.command()
def evaluate(
    source: Annotated[
        Path, typer.Argument(help="A run, a folder of images, or an .npy of samples.")
    ],
    settings: Annotated[
        list[str] | None, typer.Argument(help="size= channels= (data), threads=.")
    ] = None,
    against: Annotated[
        str | None, typer.Option("--against", help=f"{DATA_HELP} A run's own by default.")
    ] = None,
    features: Annotated[
        str, typer.Option("--features", help="auto, classifier, effnet or inception.")
    ] = "auto",
    count: Annotated[
        int | None, typer.Option("--count", help="Samples; 10,000 (2,500 points) by default.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
    weights: Annotated[
        Path | None, typer.Option("--weights", help="Of inception: see `steadygan weights`.")
    ] = None,
    split: Annotated[str, typer.Option("--split", help="Real images: train or test.")] = "train",
    sharpness: Annotated[
        str, typer.Option("--sharpness", help="sobel, tenengrad, laplacian, brenner, ...")
    ] = "sobel",
    best: Annotated[bool, typer.Option("--best", help="A run at its best evaluation.")] = False,
    pairs: Annotated[
        Path | None, typer.Option("--pairs", help="NAME.png: the nearest pairs of samples.")
    ] = None,
    legibility: Annotated[
        bool | None,
        typer.Option(
            "--legibility/--no-legibility",
            help="Read Chinese characters (extra ocr); by default where that is possible.",
        ),
    ] = None,
    device: Device = "auto",
    seed: Seed = 0,
    force: Force = False,
) -> None:
    """Measure samples against real images: FID, KID, Inception Score, precision, recall, ..."""
    import json

    from steadygan.measures import judging
    from steadygan.measures.words import in_words
    from steadygan.study.progress import bars, counting
    from steadygan.study.request import read_request

    request = read_request(settings or [])
    require_keys_of_data(request, "evaluate")
    if pairs is not None:
        require_new(pairs, force, "--pairs")
    asked = judging.Asked(
        source, against, features, count, weights, split, sharpness, best, pairs, device, seed,
        legibility,
    )  # fmt: skip
    spec, request.data = judging.data_of(asked, request.data)
    use_threads(request)
    dataset = opened(spec, request)
    with bars() as progress:
        result = judging.judged(asked, dataset, say, lambda name: counting(progress, name))
    print(json.dumps(result, allow_nan=False) if as_json else in_words(result))


weights_app = typer.Typer(name="weights", help="Weights of other people's networks.")


app.add_typer(weights_app)


@weights_app.callback()
def weights_group() -> None:
    """Weights of other people's networks."""


@weights_app.command("import")
def weights_import(
    file: Annotated[Path, typer.Argument(help="pt_inception-2015-12-05-6726825d.pth")],
    out: Annotated[Path, typer.Argument(help="NAME.safetensors")],
    force: Force = False,
) -> None:
    """Turn the Inception weights of FID, in pytorch-fid's format, into a file for --weights."""
    from steadygan.measures.weights import PUBLISHED, import_weights

    require_new(out, force, "OUT")
    if not import_weights(file, out):
        say(f"note: these are not the published weights ({PUBLISHED}): their FID is another number")
    print(out)
