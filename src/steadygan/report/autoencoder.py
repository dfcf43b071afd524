"""A pre-trained auto-encoder: originals above reconstructions, PSNR and SSIM, and in words whether
its feature is informative."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from steadygan.report.facts import as_list
from steadygan.report.read import Run, dig
from steadygan.report.samples import read_png, source
from steadygan.report.text import NONE, count, figure, percent
from steadygan.stability.signals import number

_PARTS = (
    ("held_out", "held-out images"),
    ("train", "training images"),
    ("feature_alone", "held-out, from the feature alone"),
)
_COLUMNS = ("mean", "std", "min", "max")


@dataclass(frozen=True)
class AutoEncoder:
    """What is shown of one run's auto-encoder; `rows` are (images, measure, a cell for each
    column)."""

    run: int
    source: str
    pictured: str
    rows: list[tuple[str, str, list[str]]]
    cap: str
    informative: bool | None
    feature: str
    words: list[str]


def autoencoders(runs: list[Run]) -> list[AutoEncoder]:
    """Those of the runs that have one."""
    every = [(index, run, run.get("measures", "autoencoder")) for index, run in enumerate(runs)]
    return [_read(index, run, found) for index, run, found in every if isinstance(found, dict)]


def _read(index: int, run: Run, found: dict[str, Any]) -> AutoEncoder:
    png = read_png(run.folder, found.get("picture"))
    informative = found.get("informative")
    skips = isinstance(found.get("feature_alone"), dict)
    pictured = "Top row: held-out images. Below: what the auto-encoder makes of them"
    return AutoEncoder(
        run=index,
        source=source(png) if png else "",
        pictured=pictured + (", and what it makes of their features alone." if skips else "."),
        rows=_rows(found),
        cap=_cap(found),
        informative=informative if isinstance(informative, bool) else None,
        feature=_feature(found),
        words=[said for said in (_skips(found), _loss(found)) if said],
    )


def _rows(found: dict[str, Any]) -> list[tuple[str, str, list[str]]]:
    rows = []
    for part, name in _PARTS:
        for measure, digits in (("psnr", 4), ("ssim", 4)):
            cells = [figure(dig(found, part, measure, column), digits) for column in _COLUMNS]
            if any(cell != NONE for cell in cells):
                rows.append((name, {"psnr": "PSNR (dB)", "ssim": "SSIM"}[measure], cells))
    return rows


def _cap(found: dict[str, Any]) -> str:
    """A note where a PSNR is the most that is counted."""
    cap = number(found.get("psnr_cap"))
    most = [number(dig(found, part, "psnr", "max")) for part, _ in _PARTS]
    if cap is None or cap not in most:
        return ""
    return f"Equal images would have an infinite PSNR: they count as {figure(cap)} dB."


def _feature(found: dict[str, Any]) -> str:
    """What shows whether the feature is informative, and what follows where it is not."""
    informative, retrieved = found.get("informative"), number(found.get("retrieved"))
    if not isinstance(informative, bool) or retrieved is None:
        return ""
    said = (
        f"{percent(retrieved)} of held-out images are found again by the feature of a noised copy"
    )
    if number(found.get("same_class")) is not None:
        by = [percent(found.get(key)) for key in ("same_class", "same_class_by_pixels", "chance")]
        said += (
            f", and the nearest training image by feature has the same class for {by[0]} "
            f"({by[1]} by pixels, {by[2]} by chance)"
        )
    if not informative:
        said += "; the decoding constraint then asks for little more than a fixed code an image"
    return said + "."


def _skips(found: dict[str, Any]) -> str:
    """Where there are skips: how much of the image bypasses the feature."""
    with_skips = number(dig(found, "held_out", "psnr", "mean"))
    alone = number(dig(found, "feature_alone", "psnr", "mean"))
    if with_skips is None or alone is None:
        return ""
    return (
        f"Skips carry images past the feature: {figure(with_skips, 3)} dB with them, "
        f"{figure(alone, 3)} dB from the feature alone (the skips at their mean)."
    )


def _loss(found: dict[str, Any]) -> str:
    losses = [number(loss) for loss in as_list(found.get("losses"))]
    logged = [loss for loss in losses if loss]
    if len(logged) < 2:
        return ""
    return (
        f"Its loss, the mean squared error of values in [−1, 1], fell from {figure(logged[0], 3)} "
        f"to {figure(logged[-1], 3)} in {count(found.get('steps'))} steps."
    )
