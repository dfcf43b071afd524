"""Sample grids through time, tables of codes and classes, and weight histograms of a run folder."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steadygan.metrics.names import NEAREST_PICTURE
from steadygan.report.charts import Bars
from steadygan.report.metrics import KNOWN, named
from steadygan.report.read import Run, dig, families, inside
from steadygan.report.text import count, figure, words
from steadygan.stability.curve import DISTANCES
from steadygan.stability.signals import number

#: All pictures of a page, in bytes on disk; base64 takes a third more.
MOST_BYTES = 11_000_000
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GAP = 2


@dataclass(frozen=True)
class Frame:
    """One sample grid and when it was made."""

    step: float
    images: float
    seconds: float
    png: bytes


@dataclass(frozen=True)
class Table:
    """The last picture of a run's `codes` or `classes`, and what is known of its cells: how many
    rows and columns it has, and what each row is of."""

    kind: str
    run: int
    step: float
    source: str
    rows: int | None
    columns: int | None
    labels: list[str]


@dataclass(frozen=True)
class Pair:
    """A run's samples at its best evaluation beside its last ones, each with its step and distance
    in words; `last` is empty where the best evaluation was the last."""

    run: int
    best: str
    said_of_best: str
    last: str
    said_of_last: str


@dataclass(frozen=True)
class Nearest:
    """A run's samples above their nearest training images, and how far they are from them in
    words."""

    run: int
    source: str
    said: str


def nearest_of(runs: list[Run]) -> list[Nearest]:
    """For each method, that of its first run that has it."""
    found = []
    for members in families(runs).values():
        each = (n for i in members if (n := _nearest(i, runs[i])) is not None)
        found += [n for n in [next(each, None)] if n is not None]
    return found


def _nearest(index: int, run: Run) -> Nearest | None:
    png = read_png(run.folder, NEAREST_PICTURE)
    far = run.count("measures", "quality", "last", "nearest", "median")
    among = run.count("measures", "quality", "last", "nearest", "among_real")
    if png is None or far is None:
        return None
    said = f"median distance {figure(far)}"
    if among:
        said += f"; of a training image to its nearest other one {figure(among)}"
    return Nearest(index, source(png), said)


def sample_frames(runs: list[Run]) -> list[list[Frame]]:
    """The grids of each run by rising images seen."""
    return [_frames(run) for run in runs]


def lightened(
    runs: list[Run], frames: list[list[Frame]], room: int
) -> tuple[list[list[Frame]], int]:
    """The grids that keep the page light, and how many were left out.

    Together they keep within `room` bytes. Left out first are all but the last grids of a method's
    later seeds; then, by milestones that are the same for all runs, grids of the others, so that
    those shown stay aligned; then the last ones of later seeds. The last grid of each method's
    first run always stays.
    """
    every = sum(map(len, frames))
    later = {index for members in families(runs).values() for index in members[1:]}
    if _weight(frames) > room:
        frames = [mine[-1:] if i in later else mine for i, mine in enumerate(frames)]
    milestones = sorted({frame.images for mine in frames for frame in mine})
    while len(milestones) > 4 and _weight(frames) > room:
        milestones = milestones[len(milestones) % 2 == 0 :: 2]
        kept = set(milestones)
        frames = [[f for f in mine if f.images in kept or f is mine[-1]] for mine in frames]
    if _weight(frames) > room:
        frames = [[] if i in later else mine for i, mine in enumerate(frames)]
    return frames, every - sum(map(len, frames))


def _weight(frames: list[list[Frame]]) -> int:
    return sum(len(frame.png) for mine in frames for frame in mine)


def best_pairs(runs: list[Run], frames: list[list[Frame]]) -> list[Pair]:
    """For each method, samples of the first run that has pictures of its best evaluation: there and
    at the last step; the last ones are those of `frames`."""
    found = []
    for members in families(runs).values():
        pairs = (pair for i in members if (pair := _pair(i, runs[i], frames[i])) is not None)
        found += [pair for pair in [next(pairs, None)] if pair is not None]
    return found


def _pair(index: int, run: Run, frames: list[Frame]) -> Pair | None:
    png = read_png(run.folder, run.get("best", "samples"))
    if png is None or not frames:
        return None
    step, last = run.count("best", "step"), frames[-1]
    same = step == last.step
    said = [_at(run, "best", step), _at(run, "last", last.step)]
    return Pair(index, source(png), said[0], "" if same else source(last.png), said[1])


def _at(run: Run, at: str, step: float | None) -> str:
    """`step 1,632, FID-classifier 23.4`; no distance where that of the run is of another step."""
    said = f"step {count(step)}"
    if run.count("measures", "quality", at, "step") != step:
        return said
    for key in DISTANCES:
        if (value := run.count("measures", "quality", at, key)) is not None:
            metric = next(each for each in KNOWN if each.key == key)
            title = named(metric, [run], "measures", "quality").title
            return f"{said}, {title} {figure(value)}"
    return said


def source(png: bytes) -> str:
    """The picture as a data URL, for `src`."""
    return "data:image/png;base64," + base64.b64encode(png).decode()


def last_table(kind: str, index: int, run: Run) -> Table | None:
    """The latest table of a run that has one: of `codes` (InfoGAN) or of `classes`."""
    for line in reversed(run.history):
        png = read_png(run.folder, line.get(kind))
        if png:
            shape = run.get("data", "shape")
            rows = _cells(int.from_bytes(png[20:24], "big"), shape, 1)
            columns = _cells(int.from_bytes(png[16:20], "big"), shape, 2)
            labels = _row_labels(kind, rows or 0, run.get("data", "class_names"))
            return Table(kind, index, line["step"], source(png), rows, columns, labels)
    return None


def _row_labels(kind: str, rows: int, names: Any) -> list[str]:
    """What each row shows: a code by its value; a class by its name, where names are known. A table
    of classes has as many rows as there are, or ten spread evenly over more."""
    if kind == "codes":
        return [str(row) for row in range(rows)]
    if not isinstance(names, list) or len(names) < rows:
        return []
    return [words(names[row * len(names) // rows]) for row in range(rows)]


def weight_bars(index: int, run: Run) -> Bars | None:
    """The latest histogram of the discriminator's weights, as shares of all weights."""
    for line in reversed(run.history):
        histogram = line.get("weight_histogram")
        low, high = number(dig(histogram, "low")), number(dig(histogram, "high"))
        counts = dig(histogram, "counts")
        if low is None or high is None or low >= high or not isinstance(counts, list):
            continue
        whole = [number(item) or 0.0 for item in counts]
        if sum(whole) > 0:
            shares = [item / sum(whole) for item in whole]
            return Bars(index, low, high, shares, clip_bound(run.recipe))
    return None


def clip_bound(recipe: Any) -> float | None:
    """The bound of the recipe's part named `weight-clip`, wherever it is."""
    if isinstance(recipe, dict):
        if recipe.get("name") == "weight-clip":
            return number(recipe.get("bound"))
        recipe = list(recipe.values())
    if isinstance(recipe, list):
        return next((bound for item in recipe if (bound := clip_bound(item)) is not None), None)
    return None


def at_bound(bars: Bars) -> float | None:
    """The share of weights in the bins that hold +-bound, None where nothing is clipped."""
    if bars.bound is None:
        return None
    width = (bars.high - bars.low) / len(bars.shares)
    edges = [(bars.low + width * i, share) for i, share in enumerate(bars.shares)]
    reach = bars.bound - 1e-6 * width
    return sum(share for left, share in edges if left <= -reach or left + width >= reach)


def _frames(run: Run) -> list[Frame]:
    by_images: dict[float, Frame] = {}
    for line in run.history:
        png = read_png(run.folder, line.get("samples"))
        if png:
            images, seconds = number(line.get("images")), number(line.get("seconds"))
            frame = Frame(line["step"], images or 0.0, seconds or 0.0, png)
            by_images[frame.images] = frame
    return [by_images[images] for images in sorted(by_images)]


def read_png(folder: Path, name: Any) -> bytes | None:
    """The bytes of a PNG inside the run folder; None for anything else."""
    if not isinstance(name, str) or not re.search(r"\.png$", name, re.IGNORECASE):
        return None
    path = inside(folder, name)
    if path is None or not path.is_file():
        return None
    png = path.read_bytes()
    return png if png.startswith(_SIGNATURE) and len(png) > 24 else None


def _cells(pixels: int, shape: Any, axis: int) -> int | None:
    """How many cells of the data's size, with gaps around them, make up `pixels`."""
    size = number(shape[axis]) if isinstance(shape, list) and len(shape) == 3 else None
    if not size:
        return None
    cells, rest = divmod(pixels - _GAP, size + _GAP)
    return int(cells) if rest == 0 and cells > 0 else None
