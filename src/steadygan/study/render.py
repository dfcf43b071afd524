"""Tables as Markdown, LaTeX and CSV. Text from users is escaped in each."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from steadygan.study.statistics import Spread

NONE = "-"
#: What notes say of intervals, where these are shown.
OF_INTERVALS = " [95 % interval of the mean by Student's t]"
Cell = str | int | float | Spread | None


@dataclass(frozen=True)
class Table:
    """A table with a `title`; `key` names its files, `note` says how to read it."""

    key: str
    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    note: str = ""
    #: Whether the 95 % interval follows a mean in Markdown; CSV always has it, LaTeX never.
    intervals: bool = field(default=True)
    #: Cells (row, column) that are better than every other of their column by the study's test.
    best: frozenset[tuple[int, int]] = frozenset()

    def decimals(self, column: int) -> int | None:
        """Decimals of all means in a column: as many as the one with the least spread wants."""
        cells = (row[column] for row in self.rows)
        return max((decimals_of(cell) for cell in cells if isinstance(cell, Spread)), default=None)


def decimals_of(cell: Spread) -> int:
    """Enough to show two figures of the standard deviation, or four of a mean without one."""
    size = abs(cell.sd) if cell.sd else abs(cell.mean) / 100
    return min(6, max(0, 1 - math.floor(math.log10(size)))) if size > 0 else 2


def words(
    cell: Cell, plus_minus: str = "±", interval: bool = True, digits: int | None = None
) -> str:
    """A cell in words: `12.3 ± 0.4 [11.9, 12.8]`, with so many decimals or those that its own
    spread wants; four figures of a plain number."""
    if cell is None:
        return NONE
    if isinstance(cell, str):
        return cell
    if isinstance(cell, int):
        return f"{cell:,}"
    if isinstance(cell, float):
        return f"{cell:.4g}" if abs(cell) < 1e4 else f"{cell:,.0f}"
    if cell.sd == 0:  # every seed gave the same
        return f"{cell.mean:.4g} {plus_minus} 0"
    digits = decimals_of(cell) if digits is None else digits
    said = f"{cell.mean:.{digits}f}"
    if cell.sd is not None:
        said += f" {plus_minus} {cell.sd:.{digits}f}"
    if interval and cell.low is not None:
        said += f" [{cell.low:.{digits}f}, {cell.high:.{digits}f}]"
    return said


# ---- Markdown ----------------------------------------------------------------------------------

#: Marks anywhere; `<`, `&` and a leading `>` only where they would begin a tag, an entity, a quote.
_MARKS = re.compile(r"[\\|`*_\[\]]|<(?=[A-Za-z/!?])|&(?=#?\w+;)|^>")


def escaped(text: str) -> str:
    """Text for one line of Markdown that renders as itself: marks get a backslash, a line break is
    a space. No HTML entities, since the file is also read unrendered."""
    return _MARKS.sub(r"\\\g<0>", " ".join(text.splitlines()))


def markdown(tables: Sequence[Table], heading: str, notes: Sequence[str]) -> str:
    """A page of tables under a heading, with notes at its end."""
    parts = [f"# {escaped(heading)}"]
    for table in tables:
        lines = [_row([escaped(h) for h in table.head])]
        lines.append(_row(["---"] * len(table.head)))
        digits = [table.decimals(column) for column in range(len(table.head))]
        lines += [
            _row([_cell(cell, table, n) for cell, n in zip(row, digits, strict=True)])
            for row in table.rows
        ]
        parts += [f"## {escaped(table.title)}", "\n".join(lines)]
        parts += [escaped(table.note)] if table.note else []
    if notes:
        parts += ["## Notes", "\n".join(f"- {escaped(note)}" for note in notes)]
    return "\n\n".join(parts) + "\n"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _cell(cell: Cell, table: Table, digits: int | None) -> str:
    said = words(cell, interval=table.intervals, digits=digits)
    return escaped(said) if isinstance(cell, str) else said


# ---- LaTeX -------------------------------------------------------------------------------------

_LATEX = str.maketrans(
    {**{c: f"\\{c}" for c in "&%$#_{}"}, "\\": r"\textbackslash{}", "~": r"\textasciitilde{}",
     "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}", "Δ": r"$\Delta$",
     "λ": r"$\lambda$", "±": r"$\pm$", "·": r"$\cdot$", "\n": " ", "\r": " "}
)  # fmt: skip


#: Columns of a table in LaTeX at most, which fit the text of an article; more are parted into
#: tables that repeat the first column.
MOST_COLUMNS = 6


def latex(tables: Sequence[Table], notes: Sequence[str], basis: str = "") -> str:
    """`table` environments to be pasted or \\input, for the package booktabs.

    The notes are comments. `basis`: what the numbers of all rest on, for the captions. Bold:
    `Table.best`.
    """
    parts = [r"% \usepackage{booktabs}", *(f"% {' '.join(note.split())}" for note in notes)]
    for table in tables:
        groups = _parted(len(table.head))
        for number, columns in enumerate(groups, 1):
            parts += _tex_table(table, columns, number if len(groups) > 1 else 0, basis)
    return "\n".join(parts)


def _parted(count: int) -> list[list[int]]:
    """Columns in groups of at most `MOST_COLUMNS`, the first in each."""
    rest, step = list(range(1, count)), MOST_COLUMNS - 1
    return [[0, *rest[i : i + step]] for i in range(0, max(len(rest), 1), step)]


def _tex_table(table: Table, columns: Sequence[int], number: int, basis: str) -> list[str]:
    """The environment of some columns; `number`: of several such parts, or 0."""
    part = f" ({number})" if number else ""
    note = table.note.replace(OF_INTERVALS, "")
    said = " ".join(text for text in (f"{table.title}{part}.", note, basis) if text)
    label = f"tab:{table.key}" + (f"-{number}" if number else "")
    digits = {column: table.decimals(column) for column in columns}
    lines = [r"\begin{table}", r"\centering\footnotesize\setlength{\tabcolsep}{3pt}",
             rf"\caption{{{said.translate(_LATEX)}}}",
             rf"\label{{{label}}}", rf"\begin{{tabular}}{{l{'r' * (len(columns) - 1)}}}",
             r"\toprule"]  # fmt: skip
    lines += [_tex_row([table.head[i].translate(_LATEX) for i in columns]), r"\midrule"]
    for row_number, row in enumerate(table.rows):
        cells = []
        for i in columns:
            cell = _tex_cell(row[i], digits[i])
            cells.append(rf"\textbf{{{cell}}}" if (row_number, i) in table.best else cell)
        lines.append(_tex_row(cells))
    return [*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""]


def _tex_row(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _tex_cell(cell: Cell, digits: int | None) -> str:
    said = words(cell, interval=False, digits=digits).translate(_LATEX)
    return f"{{{said}}}" if said.startswith("[") else said  # \\[ would be a length


# ---- CSV ---------------------------------------------------------------------------------------


def as_csv(table: Table) -> str:
    """A header and a line a row; a mean over seeds has columns of its own for its sd, its
    interval and its n."""
    wide = [any(isinstance(row[i], Spread) for row in table.rows) for i in range(len(table.head))]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    head: list[str] = []
    for name, spread in zip(table.head, wide, strict=True):
        head += [f"{name} {part}" for part in ("mean", "sd", "low", "high", "n")] * spread
        head += [name] * (not spread)
    writer.writerow(head)
    for row in table.rows:
        cells: list[object] = []
        for cell, spread in zip(row, wide, strict=True):
            if isinstance(cell, Spread):
                cells += [cell.mean, cell.sd, cell.low, cell.high, cell.n]
            else:
                cells += [cell, None, None, None, None] if spread else [cell]
        writer.writerow(["" if cell is None else cell for cell in cells])
    return text.getvalue()
