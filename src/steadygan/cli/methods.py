"""The command that shows methods."""

from __future__ import annotations

from typing import Annotated

import typer

from steadygan.cli.options import examples, load_torch
from steadygan.errors import UserError

app = typer.Typer()


@app.command(
    epilog=examples(
        "steadygan methods", "steadygan methods wgan-gp", "steadygan methods diff wgan wgan-gp"
    )
)
def methods(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME | diff A B]", help="A method, or diff and two methods."),
    ] = None,
) -> None:
    """List the methods by family; show paper, equations and recipe of one; or compare two."""
    load_torch()
    from steadygan.methods import find
    from steadygan.study.describe import difference, listing, sheet

    if not names:
        print(listing())
    elif names[0] == "diff" and len(names) == 3:
        print(difference(find(names[1]), find(names[2])))
    elif len(names) == 1 and names[0] != "diff":
        print(sheet(find(names[0])))
    else:
        raise UserError("methods takes nothing, one NAME, or: diff A B")
