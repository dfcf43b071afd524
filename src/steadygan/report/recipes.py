"""What differs between the recipes: nested settings as flat keys, one column a method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from steadygan.report.read import Run
from steadygan.report.text import words

Path = tuple[str, ...]
Row = tuple[str, list[str]]


@dataclass(frozen=True)
class Table:
    """Rows (key within the section, cells in words) by section; `columns` are indices of runs.

    The row with an empty key is the section's own value.
    """

    columns: list[int]
    sections: list[tuple[str, list[Row]]]

    @property
    def size(self) -> int:
        return sum(len(rows) for _, rows in self.sections)


def flatten(value: Any, path: Path = ()) -> dict[Path, Any]:
    """Nested JSON as flat settings, each under its path of keys.

    A part (an object with a `name`) is its name, with its settings below: as a single one
    `objective` says "non-saturating", in a list of parts `on_d, gradient-penalty` says "yes".
    """
    if isinstance(value, dict):
        named = isinstance(value.get("name"), str) and path
        flat = {path: value["name"]} if named else {}
        for key, item in value.items():
            if not (named and key == "name"):
                flat |= flatten(item, (*path, key))
        return flat
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        return _flatten_parts(value, path)
    return {path: value} if value is not None and value != [] else {}


def difference(runs: list[Run], flats: list[dict[Path, Any]]) -> tuple[Table, Table]:
    """The keys in which the runs differ, and those that all share; one column a distinct recipe."""
    columns = _distinct(runs, flats)
    keys = _merged([list(flats[index]) for index in columns])
    differs: list[tuple[Path, list[str]]] = []
    shared: list[tuple[Path, list[str]]] = []
    for key in keys:
        cells = [words(flats[index].get(key)) for index in columns]
        (differs if len(set(cells)) > 1 else shared).append((key, cells))
    only = [(key, cells[:1]) for key, cells in shared]
    return Table(columns, _sections(differs)), Table(columns[:1], _sections(only))


def _flatten_parts(items: list[Any], path: Path) -> dict[Path, Any]:
    flat: dict[Path, Any] = {}
    for place, item in enumerate(items):
        name = item.get("name") if isinstance(item, dict) else None
        inner = (*path, name if isinstance(name, str) else str(place))
        if inner in flat:  # the same part twice
            inner = (*path, f"{name} ({place + 1})")
        below = flatten(item, inner)
        flat |= below | ({inner: True} if isinstance(name, str) else {})
    return flat


def _distinct(runs: list[Run], flats: list[dict[Path, Any]]) -> list[int]:
    """One run for each recipe of a family: seeds of one method share a column."""
    columns: list[int] = []
    for index, run in enumerate(runs):
        same = (runs[i].family == run.family and flats[i] == flats[index] for i in columns)
        if flats[index] and not any(same):
            columns.append(index)
    return columns


def _merged(lists: list[list[Path]]) -> list[Path]:
    """The union of key lists in their own order: a new key follows the one it came after."""
    merged: list[Path] = []
    for keys in lists:
        place = 0
        for key in keys:
            if key in merged:
                place = merged.index(key) + 1
            else:
                merged.insert(place, key)
                place += 1
    return merged


def _sections(rows: list[tuple[Path, list[str]]]) -> list[tuple[str, list[Row]]]:
    sections: dict[str, list[Row]] = {}
    for (head, *rest), cells in rows:
        sections.setdefault(head, []).append((".".join(rest), cells))
    return list(sections.items())
