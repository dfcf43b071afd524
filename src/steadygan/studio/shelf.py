"""The runs of a folder, by name: the web app opens nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
from PIL import Image

from steadygan.errors import UserError
from steadygan.figures.style import COLOURS
from steadygan.records import read_facts, read_history
from steadygan.report.losses import LOSS, player_name
from steadygan.report.read import inside
from steadygan.stability.curve import DISTANCES
from steadygan.stability.signals import number
from steadygan.training import checkpoint
from steadygan.training.generator import LoadedGenerator, load_generator

#: The lines of history.jsonl.
History = Sequence[dict[str, Any]]
#: What a run's history names as pictures.
PICTURES = ("samples", "codes", "classes")
#: Grid lines that are seen on a light page and on a dark one.
GRID = "rgba(128,128,128,0.25)"
#: Points of a curve at most: more are thinned evenly.
MOST_POINTS = 600
#: Points of a curve up to which each has a marker.
MARKED = 20


@dataclass
class Shelf:
    """Run folders right under `root`, and those of studies there, by their path below it."""

    root: Path
    _generators: dict[tuple[str, str, int], LoadedGenerator] = field(default_factory=dict)

    def names(self) -> list[str]:
        """The newest first."""
        found = [*self.root.glob("*/run.json"), *self.root.glob("*/runs/*/run.json")]
        found.sort(key=lambda path: path.stat().st_mtime, reverse=True)
        return [path.parent.relative_to(self.root).as_posix() for path in found]

    def path(self, name: Any) -> Path:
        """The folder of a run that is in the list; anything else is a UserError."""
        if not isinstance(name, str) or name not in self.names():
            raise UserError("choose a run of the list")
        return self.root / name

    def studies(self) -> list[str]:
        """Study folders right under `root`, the newest first."""
        found = sorted(self.root.glob("*/study.json"), key=lambda path: -path.stat().st_mtime)
        return [path.parent.name for path in found]

    def study(self, name: Any) -> Path:
        """The folder of a study that is in the list; anything else is a UserError."""
        if not isinstance(name, str) or name not in self.studies():
            raise UserError("choose a study of the list")
        return self.root / name

    def facts(self, name: str) -> dict[str, Any]:
        return read_facts(self.path(name))

    def history(self, name: str) -> History:
        return list(read_history(self.path(name)))

    def generator(self, name: str, at: str = "last") -> LoadedGenerator:
        """The run's generator as it is now; the last few stay in memory. Code that a run names is
        not imported."""
        run = self.path(name)
        folder = {"last": "checkpoints", "best": "best"}[at]
        newest = checkpoint.listed(run / folder)
        key = (name, at, checkpoint.step_of(newest[0]) if newest else 0)
        if key not in self._generators:
            while len(self._generators) >= 4:
                del self._generators[next(iter(self._generators))]
            self._generators[key] = load_generator(run, lambda text: None, at)
        return self._generators[key]

    def pictures(self, name: str) -> list[tuple[str, Path]]:
        """The grids of a run with what they are, the oldest first."""
        run, found = self.path(name), []
        for line in read_history(run):
            for key in PICTURES:
                file = line.get(key)
                # A history from elsewhere may name any file.
                path = inside(run, file) if isinstance(file, str) else None
                if path is not None and path.is_file():
                    found.append((f"{key}, step {line['step']:,}", path))
        return found

    def last_picture(self, name: str) -> np.ndarray | None:
        kept = [path for said, path in self.pictures(name) if said.startswith("samples")]
        return pixels_of(kept[-1]) if kept else None


def pixels_of(path: Path) -> np.ndarray:
    """A picture as uint8 (H, W, 3): outputs are arrays, never paths."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


# ---- curves --------------------------------------------------------------------------------------


def loss_curves(runs: Sequence[tuple[str, History]]) -> go.Figure:
    """The loss of each player over steps, a colour a run, a dash a player."""
    found = go.Figure()
    for place, (name, lines) in enumerate(runs):
        keys = list(dict.fromkeys(key for line in lines for key in line))
        players = [m["player"] for key in keys if (m := LOSS.fullmatch(key)) and not m["part"]]
        for index, player in enumerate(players):
            points = _points(lines, f"{player}_loss", "step")
            title = player_name(player) if len(runs) == 1 else f"{name}: {player_name(player)}"
            colour = COLOURS[(index if len(runs) == 1 else place) % len(COLOURS)]
            _add(found, points, title, colour, index if len(runs) > 1 else 0)
    return _laid_out(found, "step", "loss")


def quality_curves(runs: Sequence[tuple[str, History]]) -> go.Figure | None:
    """The distance to real data over images, the one that most of the runs have; None where no run
    was evaluated."""
    keys = (*DISTANCES, "kid")
    having = {key: sum(bool(_points(lines, key, "images")[0]) for _, lines in runs) for key in keys}
    for key in sorted(keys, key=lambda key: -having[key]):
        found = go.Figure()
        for place, (name, lines) in enumerate(runs):
            points = _points(lines, key, "images")
            if points[0]:
                _add(found, points, name, COLOURS[place % len(COLOURS)], 0)
        if found.data:
            return _laid_out(found, "images seen by D", key.upper().replace("_", " "))
    return None


def _points(lines: History, y: str, x: str) -> tuple[list[float], list[float]]:
    found = [
        (at, value)
        for line in lines
        if (at := number(line.get(x))) is not None and (value := number(line.get(y))) is not None
    ]
    found = found[:: max(1, len(found) // MOST_POINTS)]
    return [at for at, _ in found], [value for _, value in found]


def _add(figure: go.Figure, points: tuple[list[float], list[float]], name: str, colour: str,
         dash: int) -> None:  # fmt: skip
    style = ("solid", "dash", "dot", "dashdot")[dash % 4]
    mode = "lines+markers" if len(points[0]) <= MARKED else "lines"  # one point has no line
    figure.add_scatter(x=points[0], y=points[1], name=name, mode=mode,
                       line={"color": colour, "dash": style, "width": 1.6})  # fmt: skip


def _laid_out(figure: go.Figure, x: str, y: str) -> go.Figure:
    figure.update_layout(
        xaxis_title=x, yaxis_title=y, margin={"l": 50, "r": 10, "t": 40, "b": 40}, height=300,
        template="plotly_white", paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)",
        font={"color": "#888888"}, showlegend=True,
        legend={"orientation": "h", "y": 1.15, "x": 1, "xanchor": "right"},
    )  # fmt: skip
    figure.update_xaxes(gridcolor=GRID, zeroline=False)
    figure.update_yaxes(gridcolor=GRID, zeroline=False)
    return figure
