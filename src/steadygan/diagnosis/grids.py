"""Folders of sample grids, as training scripts save them: what pictures alone can show.

A grid is cut into its samples at the lines between them, which torchvision's `save_image` and most
scripts draw. Pictures show a collapse, blank samples and a generator that stands still; beside real
images (`--real`) also how far the samples are from them. Nothing about D or weights is claimed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from steadygan.data import DataSettings, open_data
from steadygan.data.images import MAX_BYTES, SUFFIXES, BadImage, picture
from steadygan.diagnosis.evidence import LAST, LEAST, Evidence
from steadygan.diagnosis.features import raw_features
from steadygan.diagnosis.finding import Advice, Diagnosis, Finding, Number
from steadygan.diagnosis.probe import COUNT, NEAR, Reference, ranges, signals_of_samples
from steadygan.diagnosis.ranking import diagnosed
from steadygan.errors import UserError
from steadygan.spec import checked
from steadygan.training.inputs import as_played

#: The least side of a sample in pixels, and the widest line between two.
LEAST_SIDE, WIDEST = 8, 8
#: Grids of a folder that are read: the first, the last, and others evenly between.
MOST = 20
#: Below this share of the variation of pixels that is between samples they are one.
ONE = 0.02
#: The share of near-duplicates from which a grid repeats itself.
REPEATED = 0.25
#: A smaller standard deviation of a sample's pixels, in [-1, 1], is a blank one.
BLANK = 0.02


@dataclass(frozen=True)
class Grid:
    """The samples (n, C, H, W) of one picture, in [-1, 1], and the step in its name."""

    name: str
    step: int
    samples: Tensor


def pictures_in(folder: Path) -> list[Path]:
    """The pictures of a folder, by the last number in their names."""
    found = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES]
    return sorted(found, key=lambda path: (step_of(path), path.name))


def step_of(path: Path) -> int:
    """The last number in a file's name; 0 where there is none."""
    numbers = re.findall(r"\d+", path.stem)
    return int(numbers[-1][:15]) if numbers else 0


def read_grids(folder: Path, side: int | None = None) -> list[Grid]:
    """The grids of a folder in the order of their steps. `side` is that of a sample in pixels,
    which pictures without lines between samples need. Raises `UserError` where they cannot be
    cut, or differ in the size of their samples."""
    every = pictures_in(folder)
    if not every:
        raise UserError(
            f"{folder}: no run, no study, no TensorBoard event file and no picture in it"
        )
    rows = np.unique(np.linspace(0, len(every) - 1, min(MOST, len(every))).round().astype(int))
    grids = []
    for path in (every[row] for row in rows):
        pixels = _pixels(path)
        samples = torch.from_numpy(np.ascontiguousarray(cut(pixels, side, path)))
        grids.append(Grid(path.name, step_of(path), as_played(samples)))
    sizes = {tuple(grid.samples.shape[1:]) for grid in grids}
    if len(sizes) > 1:
        first = next(grid for grid in grids if grid.samples.shape[1:] != grids[0].samples.shape[1:])
        raise UserError(
            f"{folder / first.name}: its samples are {_said(first)}, those of {grids[0].name} "
            f"{_said(grids[0])}: keep one kind of grid in the folder, or give --tile"
        )
    return grids


def _said(grid: Grid) -> str:
    channels, height, width = grid.samples.shape[1:]
    return f"{height} x {width} px with {channels} channel{'s' * (channels > 1)}"


def _pixels(path: Path) -> np.ndarray:
    """A picture as uint8 (H, W, C); one channel where it is grey."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UserError(f"{path}: too large for a grid of samples")
        with picture(path.read_bytes()) as (image, _):
            pixels = np.asarray(image.convert("RGB"))
    except (BadImage, OSError) as error:
        raise UserError(f"{path}: cannot be read as a picture ({error})") from None
    grey = bool((pixels[..., :1] == pixels).all())
    return pixels[..., :1] if grey else pixels


def cut(pixels: np.ndarray, side: int | None, path: Path) -> np.ndarray:
    """The samples of a grid (H, W, C) as (n, C, h, w), row after row.

    With `side` cells of that size, and lines between them that are as wide as the rest allows;
    else the finest division into equal cells whose lines all have the colour of the corner.
    """
    height, width = pixels.shape[:2]
    found = [(_division(width, side, pixels, 1)), (_division(height, side, pixels, 0))]
    if None in found:
        raise UserError(
            f"{path}: no lines between samples are found in its {height} x {width} px"
            + (f" for cells of {side} px" if side else ": give the side of a sample, as --tile 64")
        )
    (columns, wide, across), (rows, high, down) = (each for each in found if each is not None)
    cells = [
        pixels[down + i * (high + down) :, across + j * (wide + across) :][:high, :wide]
        for i in range(rows)
        for j in range(columns)
    ]
    return np.stack(cells).transpose(0, 3, 1, 2)


def _division(
    length: int, side: int | None, pixels: np.ndarray, axis: int
) -> tuple[int, int, int] | None:
    """(cells, side, line) along an axis: `cells` of `side` pixels with a `line` before each and
    after the last; None where there is none."""
    if side is not None:
        fits = [(n, side, line) for line in range(WIDEST + 1) for n in range(1, length // side + 1)
                if n * (side + line) + line == length]  # fmt: skip
        return fits[0] if fits else None
    corner = pixels[0, 0]
    of_line = (pixels == corner).all(-1).all(1 - axis)  # rows or columns of the corner's colour
    for cells in range(length // LEAST_SIDE, 1, -1):
        for line in range(1, WIDEST + 1):
            inner, rest = divmod(length - line, cells)
            starts = np.arange(cells + 1) * inner
            lines = (starts[:, None] + np.arange(line)).ravel()
            if rest == 0 and inner - line >= LEAST_SIDE and of_line[lines].all():
                return cells, inner - line, line
    return None


# ---- with real images ----------------------------------------------------------------------------


def diagnose_grids(grids: Sequence[Grid], real: str | None = None) -> Diagnosis:
    """What is wrong, as far as grids can show. `real` is a data set as `--data` names it."""
    alone = of_pictures(grids)
    if real is None or alone.verdict == "fault":
        return alone
    reference = _reference(real, grids[0].samples)
    lines = [{"step": max(grid.step, 1), "probe": _signals(grid.samples, reference)}
             for grid in grids]  # fmt: skip
    found = diagnosed(Evidence({"method": "", "recipe": {}}, lines))
    return found if len(grids) >= LEAST or found.is_fault else alone


def _signals(samples: Tensor, reference: Reference) -> dict[str, float]:
    found = signals_of_samples(samples, reference) | ranges(samples, reference.real)
    return {key: value for key, value in found.items() if np.isfinite(value)}


def _reference(real: str, like: Tensor) -> Reference:
    """Real images of the size and channels of the samples."""
    channels, height, width = like.shape[1:]
    if height != width:
        raise UserError(f"--real: the samples are {height} x {width} px, and data are square")
    data = open_data(real, checked("--real", DataSettings, size=height, channels=channels))
    images = []
    for items in (data.train.items, data.test.items):
        rows = np.linspace(0, len(items) - 1, min(COUNT, len(items))).astype(int)
        images.append(as_played(torch.from_numpy(items[rows])))
    return Reference(*images)


# ---- without ------------------------------------------------------------------------------------


def of_pictures(grids: Sequence[Grid]) -> Diagnosis:
    """What is wrong by the pictures alone."""
    late = grids[-max(1, round(LAST * len(grids))) :]
    steps = late[0].step, late[-1].step
    apart, near, blank = ([f(g.samples) for g in late] for f in (between, repeated, blanks))
    numbers = (
        Number("between_samples", float(np.median(apart)), "above .2", steps),
        Number("duplicates", float(np.median(near)), "below .05", steps),
    )
    head = None
    if np.median(blank) > 0.5:
        says = f"{np.median(blank):.0%} of the samples are blank"
        head = _found("bad-samples", says, 0.9, numbers, "check the range that pictures are saved "
                      "in, and look for NaN in the log")  # fmt: skip
    elif np.median(apart) < ONE:
        says = "the samples of a grid are all the same"
        advice = "a zero-centred penalty (R1) or spectral norm on D; equal learning rates"
        head = _found("total-collapse", says, 0.9, numbers, advice)
    elif len(grids) > 1 and all(torch.equal(grids[0].samples, g.samples) for g in grids[1:]):
        says = "all grids are the same picture: the generator does not move"
        advice = "check that the generator's optimizer holds its weights"
        head = _found("g-not-updated", says, 0.8, numbers, advice)
    elif np.median(near) > REPEATED:
        says = "the generator repeats a few kinds of samples"
        head = _found("partial-collapse", says, 0.6, numbers, "minibatch discrimination, or a "
                      "relativistic objective with R1")  # fmt: skip
    if head is not None:
        return Diagnosis("fault", head, head.says, numbers=numbers)
    needs = "real images (--real DATA), a log of losses, or the loop itself (steadygan.watch)"
    says = f"nothing is wrong that pictures alone can show; more needs {needs}"
    return Diagnosis("undecided", None, says, needs=needs, numbers=numbers)


def between(samples: Tensor) -> float:
    """The share of the variance of pixels that is between samples (n, C, H, W): 0 where they are
    one, about 1 for noise."""
    total = samples.var()
    return float(samples.var(0).mean() / total) if float(total) > 0 else 0.0


def repeated(samples: Tensor) -> float:
    """The share of samples with a near-duplicate, as probes count them (`NEAR`). There the measure
    is the distance of held-out samples to their nearest one; here, without real ones, half of the
    median distance of two samples stands for it."""
    features = raw_features(samples)
    apart = torch.cdist(features, features)
    pairs = apart[~torch.eye(len(apart), dtype=torch.bool)]
    if len(apart) < 4 or float(pairs.median()) == 0:
        return 0.0
    nearest = (apart + torch.diag(torch.full((len(apart),), float("inf")))).amin(1)
    return float((nearest < NEAR * pairs.median() / 2).float().mean())


def blanks(samples: Tensor) -> float:
    """The share of samples without any contrast."""
    return float((samples.flatten(1).std(1) < BLANK).float().mean())


def _found(name: str, says: str, sure: float, numbers: tuple[Number, ...], advice: str) -> Finding:
    return Finding(name, "effect", says, sure, numbers, (Advice("", advice),))
