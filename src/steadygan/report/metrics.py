"""The names of the measures, and what their numbers depend on: samples, features, seeds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from steadygan.metrics.names import METRICS, OF_FEATURES, Metric
from steadygan.records import FLATTERED, looked_through
from steadygan.report.facts import as_dict, as_list, distinct
from steadygan.report.read import Run, Study, dig
from steadygan.report.text import count, heading, listed, percent
from steadygan.stability.signals import number

#: The measures, with capitalised titles.
KNOWN = tuple(replace(each, title=heading(each.title)) for each in METRICS)
#: Keys of the history that are shown as quality, so not as signals.
EVALUATED = {*(metric.key for metric in KNOWN), "evaluate_seconds"}


def metrics(study: Study) -> list[Metric]:
    """The measures in the study's tables; without tables, those of any run's samples."""
    listed_ones = []
    for item in as_list(study.tables.get("metrics")):
        key, title, lower = (dig(item, k) for k in ("key", "title", "lower_is_better"))
        if isinstance(key, str) and isinstance(title, str):
            lower = lower if isinstance(lower, bool) else None
            listed_ones.append(Metric(key, heading(title), lower))
    if listed_ones:
        return listed_ones
    found = [
        metric
        for metric in KNOWN
        if any(run.count("measures", "quality", "last", metric.key) is not None
               for run in study.runs)
    ]  # fmt: skip
    return [named(metric, study.runs, "measures", "quality") for metric in found]


def named(metric: Metric, runs: list[Run], *place: str) -> Metric:
    """A measure with the name of its features in its title; plain for Inception's."""
    features = distinct(runs, *place, "features")
    if metric.key not in OF_FEATURES or features in ([], ["inception"]):
        return metric
    return Metric(metric.key, f"{metric.title}-{'/'.join(features)}", metric.lower_is_better)


def basis(runs: list[Run]) -> str:
    """What the measures of finished runs depend on, as a caption of a table or chart."""
    counts = _counts(runs, "measures", "quality", "count")
    return _said([f"{counts} samples a run" if counts else "", *_features(runs, "quality")], runs)


def basis_on_the_way(runs: list[Run]) -> str:
    """The same for evaluations during training."""
    counts = _counts(runs, "evaluation", "count")
    every = listed(distinct(runs, "evaluation", "every"))
    texts = [f"{counts} samples an evaluation" if counts else "", _interval(every)]
    return _said([*texts, *_features(runs, "evaluation")], runs)


def differing_features(runs: list[Run]) -> str:
    """A warning where the runs' distances were taken between features that differ."""
    found = {
        *distinct(runs, "measures", "quality", "feature_hash"),
        *distinct(runs, "evaluation", "feature_hash"),
    }
    if len(found) < 2:
        return ""
    shown = listed(sorted(each[:12] for each in found))
    return f"The runs were judged by different features, so their distances do not compare: {shown}"


def _interval(every: str) -> str:
    if not every or every == "auto":
        return "at about every twentieth of the run" if every else ""
    if every.endswith("%"):
        return f"every {every} of the run"
    return f"every {every}" + (" steps" if every.isdecimal() else " of training")


def _counts(runs: list[Run], *path: str) -> str:
    return " / ".join(dict.fromkeys(count(n) for run in runs if (n := run.count(*path))))


def _features(runs: list[Run], where: str) -> Iterable[str]:
    """`features classifier 8b353e29255e (right about 99 % of held-out images)`, one a hash."""
    place = ("measures", "quality") if where == "quality" else ("evaluation",)
    found: dict[str, None] = {}
    for run in runs:
        name, digest = (run.get(*place, key) for key in ("features", "feature_hash"))
        if isinstance(name, str):
            accuracy = run.count(*place, "feature_accuracy")
            right = "" if accuracy is None else f", right about {percent(accuracy)} of held-out"
            short = f" {digest[:12]}" if isinstance(digest, str) else ""
            found[f"features {name}{short}{right}"] = None
            if looked_through(run.info, name):
                found[f"{run.info.get('method')}: {FLATTERED}"] = None
    return found


def _said(texts: list[str], runs: list[Run]) -> str:
    seeds = distinct(runs, "seed")
    texts.append(f"seed{'s' * (len(seeds) > 1)} {listed(seeds)}" if seeds else "")
    said = "; ".join(text for text in texts if text)
    return said[:1].upper() + said[1:] + "." if said else ""


def reference(runs: list[Run], name: str) -> float | None:
    """The distance of `real` samples or `noise` at an evaluation during training, from the first
    run that records it."""
    found = (run.count("evaluation", name) for run in runs)
    return next((value for value in found if value is not None), None)


def real_value(runs: list[Run], key: str) -> float | None:
    """The value of real images in a measure, at the count that finished runs are evaluated with."""
    for run in runs:
        quality = as_dict(run.get("measures", "quality"))
        for value in (dig(quality, "last", "real_against_real"), quality.get("real"),
                      dig(quality, "last", "real")):  # fmt: skip
            if (known := number(dig(value, key))) is not None:
                return known
    return None
