"""Loss curves of each player, and the table of their extremes and of where each settled."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from statistics import mean, stdev

from steadygan.report.charts import Chart, Line, Values, central, column, finite, keys, smoothed
from steadygan.report.read import AXES, Run, families
from steadygan.report.settle import Settling, settle
from steadygan.report.text import NONE, count, figure, plus_minus
from steadygan.stability.signals import number

LOSS = re.compile(r"(?P<player>.+?)_loss(?:/(?P<part>.+))?", re.DOTALL)
_PLAYERS = {"d": "discriminator", "g": "generator", "q": "recogniser", "e": "encoder",
            "decode": "decode step"}  # fmt: skip


@dataclass(frozen=True)
class LossRow:
    """One line of the table: the loss of a run, or of all seeds of a method, for one player, in
    words."""

    run: int
    name: str
    low: str
    low_step: str
    high: str
    high_step: str
    last: str
    settled: str
    settled_at: str


def players(runs: list[Run]) -> list[str]:
    """The short names of all players that have a loss: d, g, then others as they come."""
    found = dict.fromkeys(
        match["player"] for run in runs for key in keys(run) if (match := LOSS.fullmatch(key))
    )
    return sorted(found, key=lambda player: {"d": 0, "g": 1}.get(player, 2))


def player_name(player: str) -> str:
    """The full name of the player whose keys begin with `player`."""
    return _PLAYERS.get(player, player)


def loss_chart(index: int, run: Run, player: str) -> Chart | None:
    """The panel of one run and player: total and its smoothing, each part, the settled step."""
    total = column(run, f"{player}_loss")
    parts = _parts(run, player, total)
    lines = [Line(index, smoothed(values), name, "dash") for name, values in parts.items()]
    mark = None
    if finite(total):
        settling, rows = _settling(run, total)
        pair = [Line(index, total, "logged", "faint"), Line(index, smoothed(total), "smoothed")]
        lines = pair + lines
        if settling.index is not None:
            line = run.history[rows[settling.index]]
            mark = [line.get(axis) for axis in AXES]
    if not lines:
        return None
    title = player_name(player)
    limits = central(lines)
    return Chart(title, lines, owner=index, limits=limits, mark=mark, legend=bool(parts))


def loss_rows(runs: list[Run]) -> list[tuple[str, list[LossRow]]]:
    """The table's lines by player, so that the runs of one player stand below each other."""
    return [
        (player_name(player), rows)
        for player in players(runs)
        if (rows := [_row(i, run, player) for i, run in enumerate(runs) if _has(run, player)])
    ]


def method_rows(runs: list[Run]) -> list[tuple[str, list[LossRow]]]:
    """The same with a line for each method: extremes over its seeds, the mean of the last."""
    return [
        (player_name(player), rows)
        for player in players(runs)
        if (
            rows := [
                _over_seeds(members[0], name, have, player)
                for name, members in families(runs).items()
                if (have := [runs[i] for i in members if _has(runs[i], player)])
            ]
        )
    ]


def _over_seeds(index: int, name: str, runs: list[Run], player: str) -> LossRow:
    low, high, lasts, settled = [], [], [], []
    for run in runs:
        total = column(run, f"{player}_loss")
        low.append(_extreme(run, total, min))
        high.append(_extreme(run, total, max))
        lasts.append(finite(total)[-1])
        settling, rows = _settling(run, total)
        if settling.index is not None:
            settled.append(number(run.history[rows[settling.index]].get("images")))
    (least, at_least), (most, at_most) = min(low), max(high, key=lambda pair: pair[0])
    known = [images for images in settled if images is not None]
    ends = dict.fromkeys(count(images) for images in (min(known), max(known))) if known else {}
    return LossRow(
        run=index,
        name=name,
        low=figure(least),
        low_step=count(at_least),
        high=figure(most),
        high_step=count(at_most),
        last=plus_minus(mean(lasts), stdev(lasts) if len(lasts) > 1 else None),
        settled=f"{len(settled)} of {len(runs)}",
        settled_at=f"{' to '.join(ends)} images" if ends else NONE,
    )


def _extreme(run: Run, total: Values, choose: Callable) -> tuple[float, float]:
    """The least or greatest value of a loss, and its step."""
    steps = column(run, "step")
    known = [(value, step) for value, step in zip(total, steps, strict=True) if value is not None]
    return choose(known, key=lambda pair: pair[0])


def _has(run: Run, player: str) -> bool:
    return bool(finite(column(run, f"{player}_loss")))


def _row(index: int, run: Run, player: str) -> LossRow:
    total = column(run, f"{player}_loss")
    low, high = _extreme(run, total, min), _extreme(run, total, max)
    settling, rows = _settling(run, total)
    at = NONE
    if settling.index is not None:
        images = run.history[rows[settling.index]].get("images")
        at = f"{count(images)} images"
    return LossRow(
        run=index,
        name=run.label,
        low=figure(low[0]),
        low_step=count(low[1]),
        high=figure(high[0]),
        high_step=count(high[1]),
        last=figure(finite(total)[-1]),
        settled=count(settling.step) if settling.step is not None else settling.verdict,
        settled_at=at,
    )


def _settling(run: Run, total: list[float | None]) -> tuple[Settling, list[int]]:
    """How the loss settled, and the history rows of its points."""
    rows = [row for row, value in enumerate(total) if value is not None]
    steps = [float(run.history[row]["step"]) for row in rows]
    return settle(steps, finite(total)), rows


def _parts(run: Run, player: str, total: list[float | None]) -> dict[str, list[float | None]]:
    """The parts of a loss by name, without a sole part that is the total itself."""
    names = dict.fromkeys(
        match["part"]
        for key in keys(run)
        if (match := LOSS.fullmatch(key)) and match["player"] == player and match["part"]
    )
    parts = {name: column(run, f"{player}_loss/{name}") for name in names}
    return {name: values for name, values in parts.items() if finite(values) and values != total}
