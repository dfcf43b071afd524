"""The command that shows methods."""

from __future__ import annotations

from typing import Annotated

import typer

from steadygan.errors import UserError

app = typer.Typer()


@app.command()
def methods(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME | diff A B]")] = None,
) -> None:
    """List the methods; or show one; or `diff A B`: in what two recipes differ."""
    from steadygan.methods import find
    from steadygan.methods import methods as found
    from steadygan.study.describe import difference, sheet

    if not names:
        width = max(len(name) for name in found())
        for name, method in found().items():
            print(f"{name:{width}}  {method.title}")
    elif names[0] == "diff" and len(names) == 3:
        print(difference(find(names[1]), find(names[2])))
    elif len(names) == 1 and names[0] != "diff":
        print(sheet(find(names[0])))
    else:
        raise UserError("methods takes nothing, one NAME, or: diff A B")
