"""The command that serves the web app: studio."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from steadygan.cli.options import examples, load_torch, say
from steadygan.errors import UserError

app = typer.Typer()


@app.command(epilog=examples("steadygan studio runs --images my/pictures"))
def studio(
    folder: Annotated[Path, typer.Argument(help="A folder of runs; made where it is not.")] = Path(
        "runs"
    ),
    images: Annotated[
        list[Path] | None,
        typer.Option("--images", help="A folder or zip that may be trained on; repeat it."),
    ] = None,
    host: Annotated[str, typer.Option("--host", help="Address to serve at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Port to serve at.")] = 7860,
    password: Annotated[
        str | None,
        typer.Option(
            "--password",
            help="Ask for it (user studio); needed for a host that others can reach.",
        ),
    ] = None,
) -> None:
    """Serve a web app over a folder of runs: train, watch, explore, compare.

    Trainings are processes of their own, one after the other, and go on when the app ends.
    """
    load_torch()
    try:
        from steadygan.studio import serve
    except ImportError as error:
        if error.name not in ("gradio", "pandas"):
            raise
        raise UserError(
            "studio needs gradio: pip install -c constraints.txt 'steadygan[studio]'"
        ) from None
    say(f"steadygan studio: http://{host}:{port} (end it with Ctrl-C)")
    serve(folder, images or (), host=host, port=port, password=password)
