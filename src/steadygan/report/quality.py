"""How good the samples are: during training, at the last step and at the best evaluation, over
seeds."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any

from steadygan.metrics.names import Metric, precision_doubt
from steadygan.report.bands import Band, bands, columns_of
from steadygan.report.charts import Bands, Cloud, Dot, central_of
from steadygan.report.facts import as_dict, as_list
from steadygan.report.metrics import (
    KNOWN,
    basis_on_the_way,
    metrics,
    named,
    real_value,
    reference,
)
from steadygan.report.read import Run, Study, dig, families
from steadygan.report.text import NONE, count, figure, measured, plus_minus
from steadygan.stability.curve import DISTANCES
from steadygan.stability.signals import number

#: Measures on a logarithmic scale where their values span more than the factor `WIDE`.
ON_LOG = (*DISTANCES, "kid", "reverse_kl")
WIDE = 6.0
#: Marks a precision that is not meaningful; explained under the table.
DOUBTFUL = "†"
#: A reference is drawn where it lies within this factor of the curves.
NEAR = 100.0


@dataclass(frozen=True)
class Cell:
    """One number of the table over seeds: `mean ± sd`, its interval, whether its method leads in
    this measure, and whether it is not meaningful (`precision_doubt` in one of its runs)."""

    said: str
    interval: str = ""
    best: bool = False
    doubtful: bool = False


@dataclass(frozen=True)
class Row:
    """One method: the index of its first run, its name, how many of its runs are evaluated."""

    run: int
    name: str
    seeds: str
    cells: list[Cell]


@dataclass(frozen=True)
class Table:
    """Quality `at` last or best, a column a metric; `real` the values of real images, where
    known."""

    at: str
    metrics: list[Metric]
    rows: list[Row]
    real: list[str]
    intervals: bool

    @property
    def doubtful(self) -> bool:
        return any(cell.doubtful for row in self.rows for cell in row.cells)


@dataclass(frozen=True)
class Spread:
    """A number over `n` seeds, as tables.json has it."""

    n: int
    mean: float
    sd: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def cell(self) -> Cell:
        known = self.low is not None and self.high is not None
        interval = f"{measured(self.low)} to {measured(self.high)}" if known else ""
        return Cell(plus_minus(self.mean, self.sd), interval)


def quality_tables(study: Study) -> list[Table]:
    """The tables at the last step and at the best evaluation; none where nothing is known."""
    tables = [_table(study, at) for at in ("last", "best")]
    return [table for table in tables if table.rows]


def spreads(study: Study, key: str, at: str) -> dict[str, Spread]:
    """A measure by family, as tables.json has it; without it, of the runs that have it."""
    entries = entry_names(study)
    found = {}
    for family, members in families(study.runs).items():
        listed = (e for e in as_list(study.tables.get("entries")) if dig(e, "name") == entries.get(
            family, family))  # fmt: skip
        known = _spread(dig(next(listed, None), "quality", at, key))
        if known is None:
            values = [study.runs[i].count("measures", "quality", at, key) for i in members]
            known = _spread_of([value for value in values if value is not None])
        if known is not None:
            found[family] = known
    return found


def entry_names(study: Study) -> dict[str, str]:
    """The name that tables.json has for each family."""
    of_run = {
        dig(run, "name"): dig(run, "entry")
        for run in as_list(study.tables.get("runs"))
        if isinstance(dig(run, "name"), str) and isinstance(dig(run, "entry"), str)
    }
    return {run.family: of_run[run.name] for run in study.runs if run.name in of_run}


def leader_of(study: Study, key: str) -> str | None:
    """The entry that tables.json calls better than every other in a measure at the last step, if
    its runs show their data; a mean that happens to be the least is no leader."""
    found = dig(study.tables, "leaders", key)
    name = dig(found, "name")
    return name if isinstance(name, str) and dig(found, "shows_data") is True else None


def main_metric(study: Study) -> Metric | None:
    """The distance that methods are compared by."""
    every = metrics(study)
    wanted = [*DISTANCES, "reverse_kl"]
    return next((metric for key in wanted for metric in every if metric.key == key), None)


def _table(study: Study, at: str) -> Table:
    shown = {
        metric: found for metric in metrics(study) if (found := spreads(study, metric.key, at))
    }
    names, doubtful = entry_names(study), _doubtful(study, at)
    rows = []
    for family, members in families(study.runs).items():
        cells = []
        for metric, found in shown.items():
            cell = found[family].cell if family in found else Cell(NONE)
            leads = at == "last" and names.get(family, family) == leader_of(study, metric.key)
            doubted = metric.key == "precision" and family in doubtful
            cells.append(Cell(cell.said, cell.interval, leads and not doubted, doubted))
        if any(cell.said != NONE for cell in cells):
            most = max(found[family].n for found in shown.values() if family in found)
            rows.append(Row(members[0], family, f"{most} of {len(members)}", cells))
    real = [measured(real_value(study.runs, metric.key)) for metric in shown]
    intervals = any(cell.interval for row in rows for cell in row.cells)
    return Table(at, list(shown), rows, real if set(real) != {NONE} else [], intervals)


def _doubtful(study: Study, at: str) -> set[str]:
    """The families with a run whose precision `at` last or best is not meaningful."""
    return {
        family
        for family, members in families(study.runs).items()
        if any(doubt_of(study.runs[i], at) for i in members)
    }


def doubt_of(run: Run, at: str) -> str:
    """Why the precision of a run's samples at `last` or `best` is not meaningful; empty where it
    is."""
    return precision_doubt(as_dict(run.get("measures", "quality", at)))


def _spread(value: Any) -> Spread | None:
    known = (number(dig(value, key)) for key in ("n", "mean", "sd", "low", "high"))
    n, centre, sd, low, high = known
    if centre is None or n is None:
        return None
    return Spread(int(n), centre, sd, low, high)


def _spread_of(values: list[float]) -> Spread | None:
    if not values:
        return None
    return Spread(len(values), mean(values), stdev(values) if len(values) > 1 else None)


# ---- one run -----------------------------------------------------------------------------------


def numbers_of(study: Study) -> list[tuple[Metric, str, str, str]]:
    """The measures of a single run: at its last step, at its best, and of real images."""
    run = study.runs[0]
    rows = []
    for metric in metrics(study):
        said = []
        for at in ("last", "best"):
            value = measured(run.get("measures", "quality", at, metric.key))
            doubtful = metric.key == "precision" and doubt_of(run, at)
            said.append(f"{value} {DOUBTFUL}" if doubtful else value)
        last, best = said
        rows.append((metric, last, best, measured(real_value([run], metric.key))))
    return rows


def when_of(run: Run, at: str) -> str:
    """`step 1,632`, the step of the last or the best samples."""
    step = run.count("measures", "quality", at, "step")
    return "" if step is None else f"step {count(step)}"


# ---- charts ------------------------------------------------------------------------------------


def quality_charts(runs: list[Run]) -> list[Bands]:
    """A chart for each measure of the evaluations during training, the distance first."""
    charts, main = [], distance_key(runs)
    for metric in KNOWN:
        found = bands(runs, columns_of(runs, metric.key))
        if found:
            is_main = metric.key == main
            charts.append(_chart(named(metric, runs, "evaluation"), found, runs, is_main))
    return charts


def distance_key(runs: list[Run]) -> str | None:
    """The distance of the evaluations during training: the first that any of them has."""
    lines = [line for run in runs for line in run.history]
    has = (key for key in DISTANCES if any(number(line.get(key)) is not None for line in lines))
    return next(has, None)


def _chart(metric: Metric, found: list[Band], runs: list[Run], main: bool) -> Bands:
    values = [value for band in found for value in band.values]
    least, most = min(values), max(values)
    log = metric.key in ON_LOG and least > 0 and most / least > WIDE
    guides = [(value, name) for value, name in _guides(metric.key, runs, main) if value is not None]
    limits: tuple[float, float] | None
    if log:
        guides = [g for g in guides if least / NEAR < g[0] < most * NEAR]
        low = min([least, *(value for value, _ in guides)])
        limits = (low / 1.15, 1.15 * max([most, *(value for value, _ in guides)]))
    else:
        limits = central_of(values)
        low, high = limits or (least, most)
        room = (high - low) or max(abs(high), 1.0)
        guides = [g for g in guides if low - 0.6 * room < g[0] < high + 0.6 * room]
        ends = [low, high, *(value for value, _ in guides)]
        pad = 0.05 * ((max(ends) - min(ends)) or max(abs(high), 1.0))
        limits = (min(ends) - pad, max(ends) + pad)
    way = f"{metric.title} {metric.arrow}".strip()
    return Bands(way, found, metric.key, log, limits, guides, tall=main)


def _guides(key: str, runs: list[Run], main: bool) -> list[tuple[float | None, str]]:
    """The values of real images and noise in a measure, where known for the evaluations' count."""
    if main:
        return [(reference(runs, "real"), "real images"), (reference(runs, "noise"), "noise")]
    if key in ("inception_score", "sharpness"):
        return [(real_value(runs, key), "real images")]
    return []


def said_of_references(runs: list[Run]) -> str:
    """The distances of as many real images and of noise, in words: also where they lie outside a
    chart."""
    real, noise = reference(runs, "real"), reference(runs, "noise")
    texts = [f"{figure(value)} for {name}" for value, name in (
        (real, "as many real images"), (noise, "noise")) if value is not None]  # fmt: skip
    return f"The distance is {' and '.join(texts)}." if texts else ""


def precision_recall(study: Study) -> Cloud | None:
    """Recall against precision: a dot a run, a large one a method's mean, one for real images."""
    dots: list[Dot] = []
    for family, members in families(study.runs).items():
        pairs = [(i, *_pair(study.runs[i])) for i in members]
        known = [(i, r, p) for i, r, p in pairs if r is not None and p is not None]
        if not known:
            continue
        if len(known) > 1 or len(members) > 1:
            dots += [Dot(members[0], r, p, study.runs[i].label, "run") for i, r, p in known]
        recall, precision = mean([r for _, r, _ in known]), mean([p for *_, p in known])
        dots.append(Dot(members[0], recall, precision, family, "method"))
    if not dots:
        return None
    of_real = real_value(study.runs, "recall"), real_value(study.runs, "precision")
    if of_real[0] is not None and of_real[1] is not None:
        dots.append(Dot(None, of_real[0], of_real[1], "real images", "real"))
    return Cloud("Recall ↑", "Precision ↑", dots)


def _pair(run: Run) -> tuple[float | None, float | None]:
    last = as_dict(run.get("measures", "quality", "last"))
    return number(last.get("recall")), number(last.get("precision"))


def outcome(study: Study) -> str:
    """Which methods lead, if any, from tables.json; for one run, its distance at the last step and
    at the best evaluation."""
    if not study.single:
        said = study.tables.get("said_of_leaders")
        return said if isinstance(said, str) else ""
    metric = main_metric(study)
    found = spreads(study, metric.key, "last") if metric else {}
    if metric is None or not found:
        return ""
    run = study.runs[0]
    best = run.count("measures", "quality", "best", metric.key)
    at = f", {figure(best)} at its best ({when_of(run, 'best')})" if best is not None else ""
    return f"{metric.title} {next(iter(found.values())).cell.said} at the last step{at}."


def evaluated(runs: list[Run]) -> str:
    """What the curves depend on, with the references; empty where no run was evaluated."""
    return " ".join(text for text in (basis_on_the_way(runs), said_of_references(runs)) if text)
