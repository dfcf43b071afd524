"""The measures that tables and reports show, by their keys in run.json and the history."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: Measures that depend on the features, and carry their name.
OF_FEATURES = ("fid", "kid", "energy_distance", "inception_score")
#: Where a run folder keeps samples beside their nearest training images (`nearest.picture`).
NEAREST_PICTURE = "samples/nearest.png"


@dataclass(frozen=True)
class Metric:
    """A measure of samples; `lower_is_better` is None where neither direction is better."""

    key: str
    title: str
    lower_is_better: bool | None

    @property
    def arrow(self) -> str:
        return {True: "↓", False: "↑", None: ""}[self.lower_is_better]

    @property
    def way(self) -> str:
        """What the arrow says, in words."""
        return {True: "lower is better", False: "higher is better", None: ""}[self.lower_is_better]


METRICS = (
    Metric("fid", "FID", True),
    Metric("kid", "KID", True),
    Metric("energy_distance", "energy distance", True),
    Metric("inception_score", "IS", False),
    Metric("precision", "precision", False),
    Metric("recall", "recall", False),
    Metric("density", "density", False),
    Metric("coverage", "coverage", False),
    Metric("sharpness", "mean sharpness", None),
    Metric("sharpness_difference", "difference in sharpness", True),
    Metric("legible", "read correctly", False),
    Metric("class_kl", "class KL", True),
    Metric("modes", "modes", False),
    Metric("high_quality", "high-quality share", False),
    Metric("mode_js", "JS of modes to uniform", True),
    Metric("reverse_kl", "reverse KL", True),
)


def precision_doubt(numbers: Mapping[str, Any]) -> str:
    """Why the precision among `numbers` of one evaluation is not meaningful; empty where it may be.

    With recall or coverage 0 the samples are near no real image's neighbours: they lie in a few
    places, or inside the ball of an outlier.
    """
    if not numbers.get("precision"):
        return ""
    lacking = [key for key in ("recall", "coverage") if numbers.get(key) == 0]
    if not lacking:
        return ""
    return (
        f"precision {numbers['precision']:.4g} says nothing, since {' and '.join(lacking)} "
        f"{'are' if len(lacking) > 1 else 'is'} 0: collapsed samples, or near an outlier only"
    )
