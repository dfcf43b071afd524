"""The figures, one function each: from a study to a picture and the rows that it shows.

A function gives None where the study has nothing for it. Curves over seeds are means with bands
from the least to the greatest seed, as in the report.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from steadygan.figures.style import Look, pyplot
from steadygan.report.bands import Band, bands
from steadygan.report.charts import column
from steadygan.report.losses import player_name, players
from steadygan.report.metrics import KNOWN, named
from steadygan.report.read import AXES, Run, Study, families, inside
from steadygan.report.samples import weight_bars
from steadygan.report.steady import stability_of
from steadygan.stability.curve import DISTANCES
from steadygan.stability.signals import number

Row = Sequence[Any]
#: The axes of curves and what they are called.
AXIS_TITLES = {"step": "step", "images": "images seen by D", "seconds": "training time (s)"}
#: Samples a side of a panel, and the pixels that separate those of a grid.
PANEL, GAP = 4, 2
PARTS = ("learned", "steadiness", "retention", "no_relapse", "smoothness")


@dataclass(frozen=True)
class Figure:
    """A drawn figure with the header and rows of its data, and what it shows in a sentence."""

    picture: Any
    head: Row
    rows: Sequence[Row]
    caption: str


def looks(study: Study) -> dict[int, Look]:
    """The look of each run: that of its method."""
    places = enumerate(families(study.runs).values())
    return {index: Look.of(place) for place, members in places for index in members}


# ---- curves --------------------------------------------------------------------------------------


def losses(study: Study, width: float) -> Figure | None:
    """A panel a player: its loss over steps."""
    shown = players(study.runs)
    found = [bands(study.runs, [column(run, f"{player}_loss") for run in study.runs])
             for player in shown]  # fmt: skip
    named_ones = zip(map(player_name, shown), found, strict=True)
    panels = [(f"loss of the {name}", each) for name, each in named_ones if each]
    return _curves(study, panels, "step", width, "Loss of each player as logged")


def quality_by_images(study: Study, width: float) -> Figure | None:
    """The distance to real data over the images that D has seen."""
    return _quality(study, "images", width)


def quality_by_time(study: Study, width: float) -> Figure | None:
    """The distance to real data over training time."""
    return _quality(study, "seconds", width)


def _quality(study: Study, axis: str, width: float) -> Figure | None:
    for key in (*DISTANCES, "kid"):
        found = bands(study.runs, [column(run, key) for run in study.runs])
        if found:
            metric = next(metric for metric in KNOWN if metric.key == key)
            title = named(metric, study.runs, "evaluation").title
            levels = (run.count("evaluation", "real") for run in study.runs)
            real = next((level for level in levels if level is not None), None)
            level = real if key in DISTANCES else None
            return _curves(study, [(title, found)], axis, width,
                           f"{title} of the averaged generator during training", level)  # fmt: skip
    return None


def _curves(
    study: Study, panels: Sequence[tuple[str, list[Band]]], axis: str, width: float, caption: str,
    level: float | None = None,
) -> Figure | None:  # fmt: skip
    if not panels:
        return None
    look, place = looks(study), AXES.index(axis)
    side_by_side = width > 5 or len(panels) == 1
    shape = (1, len(panels)) if side_by_side else (len(panels), 1)
    size = (width, 0.62 * width * shape[0] / shape[1] if side_by_side else 1.9 * shape[0])
    picture, axes = pyplot().subplots(*shape, figsize=size, squeeze=False)
    rows: list[Row] = []
    for ax, (title, found) in zip(axes.flat, panels, strict=True):
        for band in found:
            at, drawn = band.axes[place], look[band.run]
            ax.plot(at["x"], at["y"], color=drawn.colour, linestyle=drawn.dash, label=band.name)
            if max(at["n"], default=0) > 1:
                ax.fill_between(at["x"], at["low"], at["high"], color=drawn.colour, alpha=0.18,
                                linewidth=0)  # fmt: skip
            columns = (at[key] for key in ("x", "y", "low", "high", "n"))
            rows += [(title, band.name, *values) for values in zip(*columns, strict=True)]
        values = [value for band in found for value in band.axes[place]["y"]]
        if min(values) > 0 and max(values) > 20 * min(values):
            ax.set_yscale("log")
        if level is not None and level > 0:
            ax.axhline(level, color="#777777", linewidth=0.8, linestyle=(0, (2, 2)),
                       label="real images")  # fmt: skip
            rows.append((title, "real images", "", level, "", "", ""))
        ax.set_xlabel(AXIS_TITLES[axis])
        ax.set_ylabel(title)
    axes.flat[0].legend()
    counts = [n for _, found in panels for band in found for n in band.axes[place]["n"]]
    seeds = max(counts, default=1)
    said = f"{caption}; mean and range over up to {seeds} seeds." if seeds > 1 else f"{caption}."
    return Figure(picture, ("panel", "method", axis, "mean", "low", "high", "seeds"), rows, said)


# ---- the end of runs -----------------------------------------------------------------------------


def precision_recall(study: Study, width: float) -> Figure | None:
    """Precision against recall of each run's last samples."""
    points = [(run, number(run.get("measures", "quality", "last", "recall")),
               number(run.get("measures", "quality", "last", "precision")))
              for run in study.runs]  # fmt: skip
    points = [point for point in points if None not in point]
    if not points:
        return None
    look = looks(study)
    picture, ax = pyplot().subplots(figsize=(min(width, 3.35), min(width, 3.35)))
    shown: set[str] = set()
    rows: list[Row] = []
    for run, recall, precision in points:
        drawn = look[study.runs.index(run)]
        label = run.family if run.family not in shown else None
        shown.add(run.family)
        ax.plot([recall], [precision], drawn.marker, color=drawn.colour, label=label, markersize=5)
        rows.append((run.family, run.get("seed"), recall, precision))
    ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xlabel="recall", ylabel="precision")
    ax.legend()
    caption = "Precision against recall of the last samples; a point a run."
    return Figure(picture, ("method", "seed", "recall", "precision"), rows, caption)


def stability(study: Study, width: float) -> Figure | None:
    """The parts of the stability score, a point a run."""
    found = [(run, stability_of(run)) for run in study.runs]
    found = [(run, each) for run, each in found if each.score is not None]
    if not found:
        return None
    look, names = looks(study), list(families(study.runs))
    picture, axes = pyplot().subplots(
        1, len(PARTS) + 1, figsize=(max(width, 5.0), 0.5 + 0.32 * len(names)), sharey=True
    )
    rows: list[Row] = []
    for ax, part in zip(axes, ("score", *PARTS), strict=True):
        for run, each in found:
            value = getattr(each, part)
            if value is None:
                continue
            drawn = look[study.runs.index(run)]
            ax.plot([value], [names.index(run.family)], drawn.marker, color=drawn.colour,
                    markersize=4, alpha=0.8)  # fmt: skip
            rows.append((run.family, run.get("seed"), part, value))
        ax.set(xlim=(-0.05, 1.05), xticks=[0, 0.5, 1], title=part.replace("_", " "))
        ax.set_xticklabels(["0", ".5", "1"])
    axes[0].set_yticks(range(len(names)), names)
    axes[0].set_ylim(len(names) - 0.5, -0.5)
    caption = "The stability score and its parts (docs/stability.md), 1 is best; a point a run."
    return Figure(picture, ("method", "seed", "part", "value"), rows, caption)


def weights(study: Study, width: float) -> Figure | None:
    """The weights of each method's discriminator at the end of its first run."""
    first = [members[0] for members in families(study.runs).values()]
    found = [bars for index in first if (bars := weight_bars(index, study.runs[index])) is not None]
    if not found:
        return None
    look = looks(study)
    picture, axes = _grid_of(len(found), width, 0.72)
    rows: list[Row] = []
    for ax, bars in zip(axes, found, strict=False):
        run = study.runs[bars.owner]
        edges = np.linspace(bars.low, bars.high, len(bars.shares) + 1)
        ax.stairs(bars.shares, edges, fill=True, color=look[bars.owner].colour)
        ax.set(title=run.family, xlabel="weight of D", ylabel="share")
        if bars.bound is not None:
            for side in (-bars.bound, bars.bound):
                ax.axvline(side, color="#777777", linewidth=0.7, linestyle=(0, (2, 2)))
        rows += [(run.family, left, right, share) for left, right, share in
                 zip(edges[:-1], edges[1:], bars.shares, strict=True)]  # fmt: skip
    caption = "Weights of the discriminator at the last picture; dashed: where they are clipped."
    return Figure(picture, ("method", "from", "to", "share"), rows, caption)


# ---- pictures ------------------------------------------------------------------------------------


def samples(study: Study, width: float) -> Figure | None:
    """Samples of each method's first run, from the same latents in all."""
    caption = "Samples of each method at its last step, of the same latents; not picked."
    return _panels(study, width, "samples", PANEL, caption)


def codes(study: Study, width: float) -> Figure | None:
    """InfoGAN's table: a row a category, the first continuous code along it."""
    caption = "A row a category; from left to right the first continuous code from -1 to 1."
    return _panels(study, width, "codes", 10, caption)


def classes(study: Study, width: float) -> Figure | None:
    """A row a class, the same latents in each."""
    return _panels(study, width, "classes", 10, "A row a class, the same latents in each.")


def _panels(study: Study, width: float, key: str, side: int, caption: str) -> Figure | None:
    first = [study.runs[members[0]] for members in families(study.runs).values()]
    shown = [(run, picture) for run in first if (picture := _last_picture(run, key)) is not None]
    if not shown:
        return None
    figure, axes = _grid_of(len(shown), width, 1.08)
    rows: list[Row] = []
    for ax, (run, (path, image)) in zip(axes, shown, strict=False):
        pixel = int(run.get("data", "shape")[1])
        box = (0, 0, min(side * (pixel + GAP) + GAP, image.width),
               min(side * (pixel + GAP) + GAP, image.height))  # fmt: skip
        ax.imshow(np.asarray(image.crop(box).convert("RGB")), interpolation="nearest")
        ax.set_title(run.family)
        ax.axis("off")
        rows.append((run.family, run.get("seed"), path))
    return Figure(figure, ("method", "seed", "picture"), rows, caption)


def _last_picture(run: Run, key: str) -> tuple[str, Image.Image] | None:
    """The last picture of a kind: its path in the run, and itself. Points have none."""
    shape = run.get("data", "shape")
    if not isinstance(shape, list) or len(shape) != 3:
        return None
    for line in reversed(run.history):
        name = line.get(key)
        # A run may come from elsewhere, and name any file.
        path = inside(run.folder, name) if isinstance(name, str) else None
        if path is not None and path.is_file():
            with Image.open(path) as image:
                return str(name), image.copy()
    return None


def _grid_of(count: int, width: float, ratio: float) -> tuple[Any, list[Any]]:
    """A figure of `count` panels, `ratio` as high as wide, and its axes; spare ones are hidden."""
    most = (6 if count <= 6 else 4) if width > 5 else 3
    across = min(count, most)
    down = -(-count // across)
    cell = width / across
    picture, axes = pyplot().subplots(
        down, across, figsize=(width, down * cell * ratio), squeeze=False
    )
    for ax in axes.flat[count:]:
        ax.set_visible(False)
    return picture, list(axes.flat)


#: Every figure by the name of its files.
FIGURES: dict[str, Callable[[Study, float], Figure | None]] = {
    "losses": losses, "quality-images": quality_by_images, "quality-time": quality_by_time,
    "precision-recall": precision_recall, "stability": stability, "weights": weights,
    "samples": samples, "codes": codes, "classes": classes,
}  # fmt: skip
