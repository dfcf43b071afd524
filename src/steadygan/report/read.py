"""Reads a run or study folder as it is: any key may be absent, any run missing or cut off."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from steadygan.errors import UserError
from steadygan.locks import as_it_stands
from steadygan.records import history_lines, read_object
from steadygan.report.text import clean, words
from steadygan.stability.signals import number

COLOURS = 8
#: Marks (and dashes) that tell methods of one colour apart.
MARKS = 4
AXES = ("step", "images", "seconds")
_STATES = {
    "finished": "finished",
    "stopped": "stopped early",
    "failed": "failed",
    "interrupted": "interrupted",
    "running": "unfinished",
    "missing": "not started",
}


@dataclass(frozen=True)
class Run:
    """One run folder: `run.json` as `info`, the lines of `history.jsonl` sorted by step.

    `label`, `family`, `colour` and `dash` are its style among the runs of the study: seeds of one
    method share a family, and with it a colour; `dash` counts how often the colours were used up
    before.
    """

    folder: Path
    info: dict[str, Any]
    history: list[dict[str, Any]] = field(default_factory=list)
    bad_lines: int = 0
    label: str = ""
    family: str = ""
    colour: int = 0
    dash: int = 0

    @property
    def look(self) -> str:
        """The classes that give a part of the page the run's colour and mark."""
        return f"c{self.colour}" + (f" k{self.dash % MARKS}" if self.dash else "")

    def get(self, *path: str) -> Any:
        """The value at a path of keys in `run.json`, or None."""
        return dig(self.info, *path)

    def count(self, *path: str) -> float | None:
        """The finite number at a path of keys in `run.json`, or None."""
        return number(self.get(*path))

    @property
    def name(self) -> str:
        return str(self.get("name") or clean(self.folder.name))

    @property
    def method(self) -> str:
        return str(self.get("method") or self.name)

    @property
    def state(self) -> str:
        state = self.get("status", "state")
        return _STATES.get(state, words(state)) if isinstance(state, str) else "unknown"

    @property
    def failed(self) -> bool:
        return self.get("status", "state") == "failed"

    @property
    def reason(self) -> str:
        return str(self.get("status", "reason") or "")

    @property
    def recipe(self) -> dict[str, Any]:
        recipe = self.get("recipe")
        return recipe if isinstance(recipe, dict) else {}


@dataclass(frozen=True)
class Study:
    """The runs that a report is about; `info` is `study.json`, empty for a single run.

    `tables` is `tables.json`, what the study measured over seeds; empty where there is none, and
    `tables_problem` says why if it cannot be read.
    """

    folder: Path
    info: dict[str, Any]
    runs: list[Run]
    tables: dict[str, Any] = field(default_factory=dict)
    tables_problem: str = ""

    @property
    def single(self) -> bool:
        return not self.info

    @property
    def seeded(self) -> bool:
        """Whether some method has more than one run: the page then shows results by method
        first."""
        return len(families(self.runs)) < len(self.runs)


def read_folder(folder: Path) -> Study:
    """The study or run in `folder`; raises UserError where it is neither."""
    if (folder / "study.json").exists():
        info = read_object(folder / "study.json")
        listed = info.get("runs")
        names = [name for name in listed if isinstance(name, str)] if type(listed) is list else []
        runs = [_read_member(folder, name) for name in names]
        tables, problem = _read_tables(folder / "tables.json")
        return Study(folder, clean(info) or {"format": 1}, _dress(runs), tables, problem)
    if (folder / "run.json").exists():
        return Study(folder, {}, _dress([_read_run(folder)]))
    raise UserError(f"{folder} is no run or study folder: it has no run.json and no study.json")


def families(runs: Sequence[Run]) -> dict[str, list[int]]:
    """The indices of each method's runs, methods and runs in the order of the study."""
    found: dict[str, list[int]] = {}
    for index, run in enumerate(runs):
        found.setdefault(run.family, []).append(index)
    return found


def dig(value: Any, *path: str) -> Any:
    """The value at a path of keys in nested JSON objects, or None."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def inside(folder: Path, name: str) -> Path | None:
    """`folder / name` if that lies inside `folder`, else None: folders may come from anyone."""
    try:
        path = (folder / name).resolve()
        return path if path.is_relative_to(folder.resolve()) else None
    except (OSError, ValueError):
        return None


def _read_member(folder: Path, name: str) -> Run:
    path = inside(folder, name)
    if path is None or not (path / "run.json").exists():
        reason = "there is no run folder yet"
        if path is None:
            reason = "its folder is a link out of the study's, which a report does not follow"
        status = {"state": "missing", "reason": reason}
        return Run(folder / "runs", {"name": clean(Path(name).name), "status": status})
    try:
        return _read_run(path)
    except UserError as error:
        status = {"state": "failed", "reason": str(error)}
        return Run(path, clean({"name": path.name, "status": status}))


def _read_run(folder: Path) -> Run:
    facts = as_it_stands(folder, read_object(folder / "run.json"))
    return Run(folder, clean(facts), *_read_history(folder))


def _read_tables(path: Path) -> tuple[dict[str, Any], str]:
    if not path.exists():
        return {}, ""
    try:
        return clean(read_object(path)), ""
    except UserError as error:
        return {}, clean(str(error))


def _read_history(folder: Path) -> tuple[list[dict[str, Any]], int]:
    """Lines by rising step, the later of two for one step, and the count of unreadable ones."""
    by_step: dict[float, dict[str, Any]] = {}
    bad = 0
    for line in history_lines(folder, strict=False):
        facts = clean(line.facts)
        step = number(dig(facts, "step"))
        if step is None:
            bad += 1
        else:
            by_step[step] = facts
    return [by_step[step] for step in sorted(by_step)], bad


def _dress(runs: Iterable[Run]) -> list[Run]:
    """Gives each run its label, and one colour to each family of seeds."""
    runs = list(runs)
    methods = [run.method for run in runs]
    stems = [re.sub(r"-s\d+$", "", run.name) for run in runs]
    # a run that has not begun yet has no method, so its seeds are known by the name alone
    alone = len(set(methods)) == len(set(stems)) == len(runs)
    places: dict[str, int] = {}
    dressed = []
    for run, stem in zip(runs, stems, strict=True):
        family = run.method if alone else stem
        dash, colour = divmod(places.setdefault(family, len(places)), COLOURS)
        label = run.method if alone else run.name
        dressed.append(replace(run, label=label, family=family, colour=colour, dash=dash))
    return dressed
