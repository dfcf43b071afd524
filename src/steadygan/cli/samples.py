"""The command that draws samples of a run: sample."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from steadygan.cli.options import (
    Force,
    Seed,
    TrustCode,
    examples,
    load_torch,
    require_new,
    say,
    use_own_code,
)
from steadygan.errors import UserError

app = typer.Typer()

Best = Annotated[
    bool | None,
    typer.Option(
        "--best/--last",
        help="The generator of the best evaluation, or the last one. Without either: the best, "
        "where the last is 1.5 times as far from real images or more.",
    ),
]


@app.command(
    epilog=examples(
        "steadygan sample runs/dcgan-mnist-s0 --count 64 --out grid.png",
        "steadygan sample runs/cgan-mnist-s0 --class 3 --class 7 --out rows.png",
        "steadygan sample runs/infogan-mnist-s0 --table codes --out table.png",
        "steadygan sample runs/dcgan-mnist-s0 --count 16 --out walk.mp4 --seconds 6 --scale 4",
        "steadygan sample runs/bigan-mnist-s0 --from a.png --from b.png --out rebuilt.png",
    )
)
def sample(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            help="File to write: NAME.png, .jpg, .webp, .npy, .gif or .mp4; or a new folder, for a "
            "PNG file each.",
        ),
    ],
    count: Annotated[
        int | None,
        typer.Option(
            "--count",
            help="Samples in total (default 64); of each class where several are given (8); "
            "lines of --text (1).",
        ),
    ] = None,
    category: Annotated[
        list[str] | None,
        typer.Option("--class", help="Class or category; repeat it for a row of each."),
    ] = None,
    text: Annotated[
        str | None,
        typer.Option("--text", help="Write these characters as a line, all from one latent."),
    ] = None,
    table: Annotated[
        str | None,
        typer.Option(
            "--table",
            help="classes: a row a class, a column a latent. codes or codes:2: a row a category, "
            "that code from -1 to 1 along it.",
        ),
    ] = None,
    images: Annotated[
        list[Path] | None,
        typer.Option(
            "--from",
            help="What the generator makes of this image file, through the run's own encoder "
            "(bigan, decoding); repeat it for several.",
        ),
    ] = None,
    interpolate: Annotated[
        bool,
        typer.Option(
            "--interpolate",
            help="Each row interpolates between two latents, or two images of --from.",
        ),
    ] = False,
    truncation: Annotated[
        float | None,
        typer.Option(
            "--truncation",
            help="Draw latents within this range only, such as 0.7: more typical, less variety.",
        ),
    ] = None,
    scale: Annotated[
        int, typer.Option("--scale", help="Make each pixel so many pixels wide and high.")
    ] = 1,
    seconds: Annotated[float, typer.Option("--seconds", help="Length of a .gif or .mp4.")] = 3.0,
    fps: Annotated[float, typer.Option("--fps", help="Its frames a second.")] = 16.0,
    best: Best = None,
    seed: Seed = 0,
    force: Force = False,
    trust_code: TrustCode = False,
) -> None:
    """Write samples of a run: a grid, an array, an animation, or a folder of pictures.

    An array (.npy) is uint8 of shape (N, H, W, C). In an animation (.gif, .mp4) each sample walks
    to another one and back. Files in a folder are named by seed and index.
    """
    require_new(out, force)
    load_torch()
    from steadygan.training.encoded import sample_from
    from steadygan.training.sample_files import Looks, sample

    use_own_code(trust_code)
    looks = Looks(scale, seconds, fps)
    if images:
        refused = {"--count": count, "--text": text, "--table": table, "--truncation": truncation,
                   "--best": best or None}  # fmt: skip
        if unfit := [name for name, value in refused.items() if value is not None]:
            raise UserError(f"--from: does not go with {' or '.join(unfit)}")
        if len(category or ()) > 1:
            raise UserError("--from: wants one --class")
        one = category[0] if category else None
        sample_from(run, images, out, category=one, interpolate=interpolate, looks=looks, say=say,
                    trust_code=trust_code)  # fmt: skip
    else:
        sample(
            run, out, count=count, seed=seed, category=category, text=text, table=table,
            interpolate=interpolate, truncation=truncation, looks=looks,
            at=generator_of(run, best), say=say, trust_code=trust_code,
        )  # fmt: skip
    print(out)


def generator_of(run: Path, best: bool | None) -> str:
    """Which generator of a run is meant, "best" or "last"; said where the best is taken unasked."""
    from steadygan.stability.curve import RELAPSE
    from steadygan.stability.score import of_run
    from steadygan.training import checkpoint
    from steadygan.training.runfolder import read_facts, read_history

    if best is not None:
        return "best" if best else "last"
    kept = checkpoint.listed(run / "best")
    if not kept:
        return "last"
    ratio = of_run(read_facts(run), list(read_history(run))).last_over_best
    if ratio is None or ratio < RELAPSE:
        return "last"
    say(
        f"the generator of step {checkpoint.step_of(kept[0]):,}, the best evaluation: the last one "
        f"is {ratio:.1f} times as far from real samples (--last takes that)"
    )
    return "best"
