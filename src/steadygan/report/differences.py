"""Which methods differ, from tables.json: the pairs that hold or are likely, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from steadygan.report.facts import as_list
from steadygan.report.read import Study, dig
from steadygan.report.text import NONE, count, figure
from steadygan.stability.signals import number

_ORDER = {"holds": 0, "likely": 1}


@dataclass(frozen=True)
class DifferenceRow:
    """`one` minus `other` in the main distance, in words."""

    one: str
    other: str
    mean: str
    interval: str
    p: str
    seeds: str
    verdict: str


def said(study: Study) -> str:
    """How many pairs differ, and what so many seeds can show."""
    text = study.tables.get("said_of_differences")
    return text if isinstance(text, str) and len(study.runs) > 1 else ""


def rows(study: Study) -> list[DifferenceRow]:
    """The pairs whose difference in the main measure is not open, those that hold first."""
    main = study.tables.get("main")
    listed = as_list(dig(study.tables, "differences", main)) if isinstance(main, str) else []
    known = [one for one in listed if str(dig(one, "verdict")) in _ORDER]
    known.sort(key=lambda one: (_ORDER[str(one["verdict"])], -abs(number(one.get("mean")) or 0.0)))
    return [_row(one) for one in known]


def _row(found: dict[str, Any]) -> DifferenceRow:
    low, high = found.get("low"), found.get("high")
    interval = f"{figure(low)} to {figure(high)}"
    return DifferenceRow(
        one=str(found.get("one")),
        other=str(found.get("other")),
        mean=figure(found.get("mean")),
        interval=interval if NONE not in interval else NONE,
        p=figure(found.get("p"), 2),
        seeds=count(found.get("n")) + (" pairs" if found.get("paired") is True else " a side"),
        verdict=str(found["verdict"]),
    )
