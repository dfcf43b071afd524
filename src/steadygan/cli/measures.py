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
    TrustCode,
    examples,
    load_torch,
    opened,
    require_keys_of_data,
    require_new,
    say,
    use_own_code,
    use_threads,
)

app = typer.Typer()


@app.command(
    epilog=examples(
        "steadygan evaluate runs/dcgan-mnist-s0",
        "steadygan evaluate samples.npy --against mnist --count 5000 --json",
    )
)
def evaluate(
    source: Annotated[
        Path, typer.Argument(help="A run folder, a folder of images, or an .npy file of samples.")
    ],
    settings: Annotated[
        list[str] | None,
        typer.Argument(help="key=value settings: size= channels= (data), threads=."),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option("--against", help=f"Real images: {DATA_HELP} Default: a run's own."),
    ] = None,
    features: Annotated[
        str,
        typer.Option(
            "--features",
            help="For FID and KID: auto, classifier, effnet, effnet-96 or inception.",
        ),
    ] = "auto",
    count: Annotated[
        int | None,
        typer.Option("--count", help="Number of samples; default 10,000 (2,500 points)."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
    weights: Annotated[
        Path | None, typer.Option("--weights", help="Inception weights, made by `weights import`.")
    ] = None,
    split: Annotated[
        str, typer.Option("--split", help="Real images of which part: train or test.")
    ] = "train",
    sharpness: Annotated[
        str, typer.Option("--sharpness", help="Operator: sobel, tenengrad, laplacian, brenner, ...")
    ] = "sobel",
    best: Annotated[
        bool, typer.Option("--best", help="Use a run's generator of the best evaluation.")
    ] = False,
    pairs: Annotated[
        Path | None, typer.Option("--pairs", help="Write the nearest pairs of samples to NAME.png.")
    ] = None,
    nearest: Annotated[
        Path | None,
        typer.Option("--nearest", help="Write samples beside their nearest images to NAME.png."),
    ] = None,
    legibility: Annotated[
        bool | None,
        typer.Option(
            "--legibility/--no-legibility",
            help="Read the samples as Chinese characters (extra ocr); default: where possible.",
        ),
    ] = None,
    device: Device = "auto",
    seed: Seed = 0,
    force: Force = False,
    trust_code: TrustCode = False,
) -> None:
    """Measure samples against real images: FID, KID, Inception Score, precision, recall, ..."""
    load_torch()
    import json

    from steadygan.metrics import judging
    from steadygan.metrics.samples import find_source
    from steadygan.metrics.words import in_words
    from steadygan.study.bars import bars, counting
    from steadygan.study.request import read_request

    request = read_request(settings or [])
    require_keys_of_data(request, "evaluate")
    if pairs is not None:
        require_new(pairs, force, "--pairs")
    if nearest is not None:
        require_new(nearest, force, "--nearest")
    asked = judging.Asked(
        source, against, features, count, weights, split, sharpness, best, pairs, nearest, device,
        seed, legibility, trust_code,
    )  # fmt: skip
    use_own_code(trust_code)
    use_threads(request)
    samples, given = find_source(source), request.data
    spec, request.data = samples.data(against, given)
    with samples.naming(against, given):
        dataset = opened(spec, request)
    with bars() as progress:
        result = judging.judged(asked, dataset, say, lambda name: counting(progress, name))
    print(json.dumps(result, allow_nan=False) if as_json else in_words(result))


weights_app = typer.Typer(name="weights", help="Import pretrained weights for --weights.")


app.add_typer(weights_app)


@weights_app.callback()
def weights_group() -> None:
    """Import pretrained weights for --weights."""


@weights_app.command(
    "import",
    epilog=examples(
        "steadygan weights import pt_inception-2015-12-05-6726825d.pth inception.safetensors"
    ),
)
def weights_import(
    file: Annotated[
        Path, typer.Argument(help="pytorch-fid's pt_inception-2015-12-05-6726825d.pth.")
    ],
    out: Annotated[Path, typer.Argument(help="File to write: NAME.safetensors.")],
    force: Force = False,
) -> None:
    """Convert the Inception weights of FID, in pytorch-fid's format, into a safetensors file."""
    from steadygan.features.weights import PUBLISHED, import_weights

    require_new(out, force, "OUT")
    if not import_weights(file, out):
        say(f"note: these are not the published weights ({PUBLISHED}): their FID is another number")
    print(out)
