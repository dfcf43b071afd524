"""Charts as plain JSON for the page's script: which lines, on which scale, thinned so that they
load fast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from statistics import quantiles
from typing import TYPE_CHECKING, Any

from steadygan.report.read import AXES, Run
from steadygan.report.settle import running_median, smoothing_window
from steadygan.stability.signals import number

if TYPE_CHECKING:
    from steadygan.report.bands import Band

MOST_POINTS = 1000
#: With more runs than this on a page each curve is drawn by fewer points.
MANY_RUNS, FEWER_POINTS = 12, 400
Values = Sequence[float | None]


@dataclass(frozen=True)
class Line:
    """One curve of the run with index `run`; `look` is line, faint, ink, dot or dash; a line
    without a name has no text under the pointer.
    """

    run: int
    values: Values
    name: str
    look: str = "line"


@dataclass(frozen=True)
class Chart:
    """One panel. `key` is the signal's name in history.jsonl; `owner` the only run that it
    shows."""

    title: str
    lines: list[Line]
    key: str = ""
    owner: int | None = None
    log: bool = False
    limits: tuple[float, float] | None = None
    guide: float | None = None
    mark: list[float | None] | None = None
    legend: bool = False


@dataclass(frozen=True)
class Bars:
    """A histogram: `shares` of the whole in equal bins from `low` to `high`, marks at +-`bound`."""

    owner: int
    low: float
    high: float
    shares: list[float]
    bound: float | None = None


@dataclass(frozen=True)
class Bands:
    """One panel with a line for each method: its mean over seeds, with their range around it.
    `limits` are values, not logarithms, also where `log`; `guides` are levels with their names;
    `tall` for the main one."""

    title: str
    lines: list[Band]
    key: str = ""
    log: bool = False
    limits: tuple[float, float] | None = None
    guides: list[tuple[float, str]] = field(default_factory=list)
    tall: bool = False
    owner: int | None = None


@dataclass(frozen=True)
class Dot:
    """A point of a cloud in the style of a run, or in ink; `look` is run, method or real."""

    run: int | None
    x: float
    y: float
    name: str
    look: str


@dataclass(frozen=True)
class Cloud:
    """Points in the unit square, named axes."""

    x: str
    y: str
    dots: list[Dot]


@dataclass
class Gallery:
    """The charts of one page in order; the template puts each into place by its number."""

    runs: list[Run]
    charts: list[dict[str, Any]] = field(default_factory=list)

    @property
    def most(self) -> int:
        """How many points a curve has at most."""
        return MOST_POINTS if len(self.runs) <= MANY_RUNS else FEWER_POINTS

    def add(self, chart: Chart | Bars | Bands | Cloud) -> int:
        """Adds a chart and returns its number."""
        if isinstance(chart, Chart):
            drawn = _curves(chart, self.most)
        elif isinstance(chart, Bars):
            drawn = _bars(chart)
        elif isinstance(chart, Bands):
            drawn = _bands(chart)
        else:
            drawn = _cloud(chart)
        self.charts.append(drawn)
        return len(self.charts) - 1

    def payload(self) -> dict[str, Any]:
        """The data for the page's script."""
        runs = [
            {
                "label": run.label,
                "colour": run.colour,
                "dash": run.dash,
                "axes": [thin_axis(column(run, axis), self.most) for axis in AXES],
            }
            for run in self.runs
        ]
        return {"runs": runs, "charts": self.charts}


def column(run: Run, key: str) -> list[float | None]:
    """One number a logged step, None where a line has none."""
    return [number(line.get(key)) for line in run.history]


def keys(run: Run) -> list[str]:
    """The keys of all lines of the history, as they first come."""
    return list(dict.fromkeys(key for line in run.history for key in line))


def finite(values: Values) -> list[float]:
    """The values without the gaps."""
    return [value for value in values if value is not None]


def thin(values: Values, most: int = MOST_POINTS) -> list[float | None]:
    """At most `most` values: each stretch's lowest and highest, so that no spike is lost."""
    if len(values) <= most:
        return [_short(value) for value in values]
    kept: list[float | None] = []
    for start, stop in _stretches(len(values), most):
        stretch = finite(values[start:stop])
        if not stretch:
            kept += [None, None]
            continue
        low, high = min(stretch), max(stretch)
        rising = stretch.index(low) <= stretch.index(high)
        kept += [_short(low), _short(high)] if rising else [_short(high), _short(low)]
    return kept


def thin_axis(values: Values, most: int = MOST_POINTS) -> list[float | None]:
    """The places at which `thin` puts what it keeps."""
    if len(values) <= most:
        return list(values)
    return [
        values[at]
        for start, stop in _stretches(len(values), most)
        for at in (start, (start + stop) // 2)
    ]


def central(lines: Sequence[Line]) -> tuple[float, float] | None:
    """Limits of the first view, without rare spikes: around the central 98 %, or None for all."""
    return central_of([value for line in lines for value in finite(line.values)])


def central_of(values: Sequence[float]) -> tuple[float, float] | None:
    """The same for plain values."""
    if len(values) < 20:
        return None
    cuts = quantiles(values, n=100)
    low, high = cuts[0], cuts[-1]
    room = high - low
    if room == 0 or max(values) - min(values) < 2.5 * room:
        return None
    return max(min(values), low - 0.15 * room), min(max(values), high + 0.15 * room)


def smoothed(values: Values) -> list[float | None]:
    """The running median that `settle` uses, gaps left as they are."""
    known = finite(values)
    smooth = iter(running_median(known, smoothing_window(len(known))))
    return [None if value is None else next(smooth) for value in values]


def _stretches(length: int, most: int) -> list[tuple[int, int]]:
    pieces = most // 2
    return [(length * i // pieces, length * (i + 1) // pieces) for i in range(pieces)]


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.5g}")


def _curves(chart: Chart, most: int) -> dict[str, Any]:
    lines = [
        {"run": line.run, "name": line.name, "look": line.look, "y": thin(line.values, most)}
        for line in chart.lines
    ]
    return {
        "kind": "curves",
        "shared": chart.owner is None,
        "lines": lines,
        "log": chart.log,
        "limits": chart.limits,
        "guide": chart.guide,
        "mark": chart.mark,
        "legend": chart.legend,
    }


def _bars(bars: Bars) -> dict[str, Any]:
    return {
        "kind": "bars",
        "run": bars.owner,
        "low": bars.low,
        "high": bars.high,
        "shares": [_short(share) for share in bars.shares],
        "bound": bars.bound,
    }


def _bands(chart: Bands) -> dict[str, Any]:
    return {
        "kind": "bands",
        "lines": [asdict(line) for line in chart.lines],
        "log": chart.log,
        "limits": chart.limits,
        "guides": chart.guides,
        "tall": chart.tall,
    }


def _cloud(cloud: Cloud) -> dict[str, Any]:
    return {"kind": "cloud", "x": cloud.x, "y": cloud.y, "dots": [asdict(d) for d in cloud.dots]}
