"""One readable style for all figures: fonts embedded, curves told apart without colour."""

from __future__ import annotations

import importlib
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from steadygan.errors import UserError

#: Widths of a column and of a page in inches, those of most two-column proceedings.
WIDTHS = {"single": 3.35, "double": 6.9}
#: Colours that differ in lightness too (Okabe & Ito 2008, ordered by it), and what else tells
#: curves apart.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999")
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1, 1.2)), (0, (5, 1.2, 1, 1.2)), (0, (8, 2)))
MARKERS = "os^Dvp*X"
#: Fonts in the order in which each letter is looked for; the later ones have Chinese.
FONTS = (
    "DejaVu Sans", "Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "WenQuanYi Zen Hei",
    "WenQuanYi Micro Hei", "Microsoft YaHei", "PingFang SC", "SimHei",
)  # fmt: skip


@dataclass(frozen=True)
class Look:
    """How one method is drawn everywhere."""

    colour: str
    dash: Any
    marker: str

    @classmethod
    def of(cls, place: int) -> Look:
        return cls(COLOURS[place % len(COLOURS)], DASHES[place % len(DASHES)],
                   MARKERS[place % len(MARKERS)])  # fmt: skip


def pyplot() -> Any:
    """matplotlib.pyplot without a window. Raises UserError where it is missing."""
    try:
        importlib.import_module("matplotlib").use("Agg")
        return importlib.import_module("matplotlib.pyplot")
    except ImportError:
        raise UserError(
            "figures needs matplotlib: pip install -c constraints.txt 'steadygan[figures]'"
        ) from None


def styled() -> AbstractContextManager:
    """The style, as a context."""
    fonts = importlib.import_module("matplotlib.font_manager").fontManager.ttflist
    installed = {font.name for font in fonts}
    return pyplot().rc_context({
        "font.family": [name for name in FONTS if name in installed], "font.size": 8,
        "axes.titlesize": 8, "axes.labelsize": 8, "legend.fontsize": 7, "xtick.labelsize": 7,
        "ytick.labelsize": 7, "axes.linewidth": 0.6, "lines.linewidth": 1.1,
        "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True,
        "grid.linewidth": 0.4, "grid.color": "#dddddd", "legend.frameon": False,
        "figure.constrained_layout.use": True, "figure.dpi": 100, "savefig.dpi": 300,
        "pdf.fonttype": 42, "ps.fonttype": 42, "svg.fonttype": "path", "svg.hashsalt": "steadygan",
        "axes.unicode_minus": False,
    })  # fmt: skip
