"""What `steadygan evaluate` does: find the samples, the data and the features, and measure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steadygan.data import Dataset
from steadygan.errors import UserError
from steadygan.features.extract import checked_name, find_features
from steadygan.metrics import birthday, legibility, nearest, sharpness
from steadygan.metrics.evaluate import Bar, as_json, evaluate, evaluate_points
from steadygan.metrics.reference import part_of, reference_of
from steadygan.metrics.samples import Source, classes_drawn, find_source, read_samples
from steadygan.records import FLATTERED, looked_through, read_facts
from steadygan.training.pictures import save_png
from steadygan.training.precision import find_device


@dataclass(frozen=True)
class Asked:
    """The options of the command."""

    source: Path
    against: str | None = None
    features: str = "auto"
    count: int | None = None
    weights: Path | None = None
    split: str = "train"
    sharpness: str = sharpness.DEFAULT
    best: bool = False
    pairs: Path | None = None
    nearest: Path | None = None
    device: str = "auto"
    seed: int = 0
    legibility: bool | None = None  # none: where it can be measured
    trust_code: bool = False


def judged(asked: Asked, data: Dataset, say: Callable[[str], None], bar: Bar) -> dict[str, Any]:
    """The result, with the source of the samples. Invalid options are refused before anything takes
    long."""
    part_of(data, asked.split)
    sharpness.find_kind(asked.sharpness)
    pictures = {"--pairs": asked.pairs, "--nearest": asked.nearest}
    for option, path in pictures.items():
        if path is not None and (path.suffix != ".png" or not path.parent.is_dir()):
            raise UserError(f"{option} {path}: wants NAME.png in a folder that is there")
    images = len(data.shape) == 3
    if images:
        checked_name(asked.features, data, asked.weights)
    elif asked.features != "auto" or asked.weights or any(pictures.values()):
        raise UserError(
            f"--features, --weights, --pairs and --nearest are of images, not of {data.spec}"
        )
    source, device = find_source(asked.source), find_device(asked.device)
    legible = _reads(asked, source, data)
    samples = read_samples(
        source, data, asked.count, seed=asked.seed, best=asked.best, device=device, say=say,
        progress=bar("drawing samples"), trust_code=asked.trust_code,
    )  # fmt: skip
    about: dict[str, Any] = {"source": str(asked.source), "kind": source.kind}
    if source.kind == "run":
        about |= {"seed": asked.seed, "at": "best" if asked.best else "last"}
    if not images:
        return {**evaluate_points(samples, data), **about}
    extractor = find_features(
        asked.features, data, weights_file=asked.weights, device=device, say=say,
        progress=bar("training the classifier of features"),
    )  # fmt: skip
    reference = reference_of(
        data, extractor, split=asked.split, say=say, progress=bar("features of real images")
    )
    result = evaluate(samples, reference, sharpness_kind=asked.sharpness, bar=bar, say=say)
    if source.kind == "run" and looked_through(read_facts(asked.source), result["features"]):
        result["notes"].append(FLATTERED)
    if legible:
        wanted = classes_drawn(asked.source, data, len(samples), asked.seed)
        assert wanted is not None  # see `_reads`
        result["legibility"] = as_json(
            legibility.legibility(
                samples, wanted, data, say=say, progress=bar("reading characters")
            )
        )
    if asked.pairs is not None:
        save_png(birthday.picture(samples, result["birthday"]["pairs"]), asked.pairs)
    if asked.nearest is not None:
        items = part_of(data, asked.split).items
        save_png(nearest.picture(samples, items, result["nearest"]), asked.nearest)
    return {**result, **about}


def _reads(asked: Asked, source: Source, data: Dataset) -> bool:
    """Whether the samples are read as characters: where that is asked for, or where it can be."""
    if asked.legibility is False:
        return False
    if asked.legibility:
        legibility.require(data)
    elif not legibility.can_read(data):
        return False
    known = source.kind == "run" and classes_drawn(asked.source, data, 1, asked.seed) is not None
    if asked.legibility and not known:
        raise UserError(
            f"--legibility: it is not known which characters {asked.source} should show: it is no "
            f"run of a generator that takes the classes of {data.spec}"
        )
    return known
