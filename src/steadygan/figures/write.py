"""Figures into a new folder: each as a file for LaTeX, with its data and its caption."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

from steadygan.errors import UserError, did_you_mean
from steadygan.figures.draw import FIGURES
from steadygan.figures.style import WIDTHS, pyplot, styled
from steadygan.files import new_folder
from steadygan.report.read import read_folder

FORMATS = ("pdf", "svg", "png")


def draw_figures(
    source: str | Path,
    out: str | Path,
    *,
    form: str = "pdf",
    width: str = "single",
    only: Sequence[str] = (),
    command: str = "",
    say: Callable[[str], None] = print,
) -> Path:
    """Write the figures of a run or study into the new folder `out`; returns it.

    Each is NAME.`form` with NAME.csv, what it shows; README.md has their captions and `command`.
    `width`: `single` (3.35 in) or `double` (6.9 in). `only`: names of figures; without any, all
    that the source has something for. Raises UserError for names that are none, a figure that was
    asked for and has no data, an `out` that is there, and where matplotlib is missing.
    """
    source, out = Path(source), Path(out)
    _require(form, width, only)
    plots = pyplot()
    if out.exists():
        raise UserError(f"--out {out}: is there already; give the name of a new folder")
    study = read_folder(source)
    lines = [f"# Figures of {source.name}", "", "```", command, "```", ""]
    with styled(), new_folder(out) as home:
        for name, draw in FIGURES.items():
            if only and name not in only:
                continue
            found = draw(study, WIDTHS[width])
            if found is None:
                if only:
                    raise UserError(f"--only {name}: {source} has no data for it")
                continue
            plain = {"CreationDate": None} if form == "pdf" else {"Date": None}
            found.picture.savefig(
                home / f"{name}.{form}", metadata=plain if form != "png" else None
            )
            plots.close(found.picture)
            with open(home / f"{name}.csv", "w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(found.head)
                writer.writerows(found.rows)
            lines += [f"- `{name}.{form}` (`{name}.csv`): {found.caption}"]
            say(f"{name}: {found.caption}")
        (home / "README.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return out


def _require(form: str, width: str, only: Sequence[str]) -> None:
    for option, value, known in (("--format", form, FORMATS), ("--width", width, tuple(WIDTHS)),
                                 *(("--only", name, tuple(FIGURES)) for name in only)):  # fmt: skip
        if value not in known:
            raise UserError(f"{option} {value}: no such one{did_you_mean(value, list(known))}")
