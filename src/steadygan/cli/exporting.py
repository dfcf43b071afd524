"""What leaves the house: export and push (a generator), figures and cite (for a paper)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from steadygan.cli.options import TrustCode, command_line, examples, load_torch, say, use_own_code
from steadygan.cli.samples import Best, generator_of

app = typer.Typer()


Form = Annotated[
    list[str] | None,
    typer.Option(
        "--format",
        help="A file more: onnx, torchscript or pt2; repeat it for several. Always there: "
        "safetensors.",
    ),
]
Uint8 = Annotated[
    bool, typer.Option("--uint8", help="Those files give uint8 (B, H, W, C), not [-1, 1].")
]


@app.command(
    epilog=examples(
        "steadygan export runs/dcgan-mnist-s0 digits",
        "steadygan export runs/cgan-mnist-s0 digits --best --format onnx --uint8",
    )
)
def export(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    out: Annotated[Path, typer.Argument(help="Folder to write; must not be there.")],
    form: Form = None,
    best: Best = None,
    uint8: Uint8 = False,
    trust_code: TrustCode = False,
) -> None:
    """Write a run's generator into a folder that needs no steadygan.

    In it: weights, generator.py (torch, safetensors and pillow alone; it draws by
    `python generator.py`), a model card and samples.
    """
    load_torch()
    from steadygan.export import export

    use_own_code(trust_code)
    at = generator_of(run, best)
    print(export(run, out, at=at, form=form or (), as_uint8=uint8, say=say, trust_code=trust_code))


@app.command(
    epilog=examples("steadygan push runs/dcgan-mnist-s0 somebody/digits --dry-run"),
)
def push(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    name: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="A model repository.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be uploaded; send nothing.")
    ] = False,
    public: Annotated[
        bool, typer.Option("--public", help="A repository that is made is public, not private.")
    ] = False,
    form: Form = None,
    best: Best = None,
    uint8: Uint8 = False,
    trust_code: TrustCode = False,
) -> None:
    """Export a run's generator and upload it to the Hugging Face hub.

    The folder is that of `export`, its card the page that the hub shows. The account is that of
    `hf auth login` or of HF_TOKEN.
    """
    load_torch()
    from steadygan.export import push

    use_own_code(trust_code)
    print(push(run, name, dry_run=dry_run, public=public, at=generator_of(run, best),
               form=form or (), as_uint8=uint8, say=say, trust_code=trust_code))  # fmt: skip


@app.command(epilog=examples("steadygan cite runs/dcgan-mnist-s0"))
def cite(run: Annotated[Path, typer.Argument(help="A run folder.")]) -> None:
    """Print BibTeX of what a run rests on: its method, parts and measures, and this software."""
    from importlib.metadata import version

    from steadygan.export.citations import bibtex, cited, software
    from steadygan.records import read_facts

    facts = read_facts(run)
    ours = facts.get("versions", {}).get("steadygan") or version("steadygan")
    entries = [*map(bibtex, cited(facts)), software(ours)]
    print("\n\n".join(entries))


@app.command(
    epilog=examples(
        "steadygan figures studies/digits --out figures --width double",
        "steadygan figures runs/infogan-mnist-s0 --out figures --only codes --format png",
    )
)
def figures(
    source: Annotated[Path, typer.Argument(help="A run or study folder.")],
    out: Annotated[Path, typer.Option("--out", help="Folder to write; must not be there.")],
    form: Annotated[str, typer.Option("--format", help="pdf, svg or png.")] = "pdf",
    width: Annotated[
        str, typer.Option("--width", help="single (a column, 3.35 in) or double (6.9 in).")
    ] = "single",
    only: Annotated[
        list[str] | None,
        typer.Option("--only", help="Draw this figure alone; repeat it for several."),
    ] = None,
) -> None:
    """Draw figures for a paper, each with its data as CSV.

    Losses, quality over images and over time, precision against recall, stability, weights, samples
    of the same latents, tables of codes and classes: all that the source has something for.
    """
    from steadygan.figures import draw_figures

    print(draw_figures(source, out, form=form, width=width, only=only or (),
                       command=command_line(), say=say))  # fmt: skip
