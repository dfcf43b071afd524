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
    )
)
def sample(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    out: Annotated[Path, typer.Option("--out", help="File to write: NAME.png, .npy or .gif.")],
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
    interpolate: Annotated[
        bool, typer.Option("--interpolate", help="Each row interpolates between two latents.")
    ] = False,
    best: Best = None,
    seed: Seed = 0,
    force: Force = False,
    trust_code: TrustCode = False,
) -> None:
    """Write samples of a run: a grid (.png), an array (.npy) or an interpolation (.gif).

    The array is uint8 of shape (N, H, W, C).
    """
    require_new(out, force)
    load_torch()
    from steadygan.training.sampling import sample

    use_own_code(trust_code)
    sample(
        run, out, count=count, seed=seed, category=category, text=text, interpolate=interpolate,
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
