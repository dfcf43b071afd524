"""Every other number of the history as a chart: known signals by their names, unknown ones too."""

from __future__ import annotations

import re
from dataclasses import dataclass

from steadygan.report.bands import bands, columns_of
from steadygan.report.charts import (
    Bands,
    Chart,
    Line,
    central,
    central_of,
    column,
    finite,
    keys,
    smoothed,
)
from steadygan.report.losses import LOSS, player_name
from steadygan.report.metrics import EVALUATED
from steadygan.report.read import AXES, Run, families

GROUPS = (
    ("probabilities", "Probabilities", "What D takes for real; at the game's equilibrium ½."),
    ("accuracies", "Accuracies of D", "D overfits where it is far better on training images."),
    ("scores", "Score means", "D's raw outputs. Each panel has its own scale: scores of different "
     "objectives are not comparable by value."),
    ("gradients", "Gradient norms", "Of each player's parameters, on a logarithmic scale."),
    ("own", "The method's own signals", ""),
)  # fmt: skip
#: Signals of every method; a method's own signals are named in run.json.
_TITLES = {
    "d_real_probability": "D(x) on real images",
    "d_fake_probability": "D(G(z)) on generated images",
    "d_heldout_probability": "D(x) on held-out images",
    "d_accuracy_real": "on training images",
    "d_accuracy_heldout": "on held-out images",
    "d_accuracy_fake": "on generated images",
    "d_gradient_norm": "discriminator",
    "g_gradient_norm": "generator",
}
_GUIDES = {"probabilities": 0.5, "accuracies": 0.5, "critic_gradient_norm": 1.0}
_SCORE_LOOKS = {"real": "ink", "heldout": "dot", "fake": "line"}  # drawn in this order
_SCORE = re.compile(r"(?P<player>\w+?)_score(?:_(?P<of>.+))?")
_GRADIENT = re.compile(r"([a-z]\d?|decode)_gradient_norm(/.+)?")


@dataclass(frozen=True)
class Group:
    """Charts of one kind with a heading and one line of reading help."""

    title: str
    note: str
    charts: list[Chart | Bands]


def signal_groups(runs: list[Run]) -> list[Group]:
    """Every numeric key of any history that is no axis and no loss, in groups."""
    every = dict.fromkeys(key for run in runs for key in keys(run))
    elsewhere = {*AXES, *EVALUATED}
    wanted = [key for key in every if key not in elsewhere and not LOSS.fullmatch(key)]
    names = [key for key in wanted if any(finite(column(run, key)) for run in runs)]
    by_kind: dict[str, list[Chart | Bands]] = {kind: [] for kind, _, _ in GROUPS}
    by_kind["scores"] += _score_panels(runs, [key for key in names if _kind(key) == "scores"])
    order = {key: place for place, key in enumerate(titles(runs))}
    for key in sorted(names, key=lambda key: order.get(key, len(order))):
        if (kind := _kind(key)) != "scores":
            by_kind[kind].append(_shared_chart(runs, key, kind))
    return [Group(title, note, by_kind[kind]) for kind, title, note in GROUPS if by_kind[kind]]


def titles(runs: list[Run]) -> dict[str, str]:
    """What signals are called, by key."""
    found = dict(_TITLES)
    for run in runs:
        found |= {str(k): str(v) for k, v in (run.get("signal_titles") or {}).items()}
    return found


def _kind(key: str) -> str:
    if _SCORE.fullmatch(key):
        return "scores"
    if _GRADIENT.fullmatch(key):
        return "gradients"
    if "probability" in key:
        return "probabilities"
    return "accuracies" if "accuracy" in key else "own"


def _shared_chart(runs: list[Run], key: str, kind: str) -> Chart | Bands:
    """One chart with a line for each run that has the signal, or for each method over its seeds."""
    title = titles(runs).get(key, key.replace("_", " ").replace("/", " / "))
    if len(families(runs)) < len(runs):
        return _over_seeds(runs, key, kind, title)
    columns = [(index, column(run, key)) for index, run in enumerate(runs)]
    known = [(index, values) for index, values in columns if finite(values)]
    lines = [Line(index, values, "", "faint") for index, values in known]
    lines += [Line(index, smoothed(values), runs[index].label) for index, values in known]
    log = kind == "gradients"
    unit = kind in ("probabilities", "accuracies") and _within_unit(lines)
    return Chart(
        title=title,
        lines=lines,
        key=key,
        log=log,
        limits=(-0.03, 1.03) if unit else (None if log else central(lines)),
        guide=_GUIDES.get(kind, _GUIDES.get(key)),
    )


def _over_seeds(runs: list[Run], key: str, kind: str, title: str) -> Bands:
    found = bands(runs, [smoothed(values) for values in columns_of(runs, key)])
    values = [value for band in found for value in band.values]
    log = kind == "gradients"
    unit = kind in ("probabilities", "accuracies") and all(0 <= value <= 1 for value in values)
    limits = (-0.03, 1.03) if unit else (None if log else central_of(values))
    level = _GUIDES.get(kind, _GUIDES.get(key))
    guides = [] if level is None else [(level, "")]
    return Bands(title, found, key, log, limits, guides)


def _within_unit(lines: list[Line]) -> bool:
    return all(0 <= value <= 1 for line in lines for value in finite(line.values))


def _score_panels(runs: list[Run], names: list[str]) -> list[Chart]:
    """A panel for each run and player: real, held-out and fake scores on one scale."""
    of_player: dict[str, dict[str, str]] = {}
    for key in sorted(names, key=_score_place):
        match = _SCORE.fullmatch(key)
        if match:
            of_player.setdefault(match["player"], {})[key] = match["of"] or "all"
    charts = []
    for player, mine in of_player.items():
        title = "" if player == "d" else player_name(player)
        for index, run in enumerate(runs):
            if lines := _score_lines(index, run, mine):
                limits = central(lines)
                charts.append(Chart(title, lines, owner=index, limits=limits, legend=True))
    return charts


def _score_place(key: str) -> int:
    looks = list(_SCORE_LOOKS)
    of = key.rpartition("_")[2]
    return looks.index(of) if of in looks else len(looks)


def _score_lines(index: int, run: Run, names: dict[str, str]) -> list[Line]:
    lines = []
    for key, of in names.items():
        if finite(values := column(run, key)):
            name = {"heldout": "held-out"}.get(of, of)
            lines.append(Line(index, values, name, _SCORE_LOOKS.get(of, "dash")))
    return lines
