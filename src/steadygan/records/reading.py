"""Reads files that may come from anyone; see `steadygan.records`."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steadygan.errors import UserError
from steadygan.locks import as_it_stands
from steadygan.records.schemas import LineRecord, Record, RunRecord, StudyRecord, misshapen

#: Nested deeper than this, JSON is refused: readers of it recurse.
MOST_NESTED = 64
#: The largest run.json, study.json or tables.json that is read, and the longest history line;
#: class names and lists of left-out files are what makes them long.
MOST_BYTES, MOST_LINE_BYTES = 1 << 28, 1 << 22
MEND = "put a good copy of it there"


def open_regular(path: Path) -> tuple[int, int]:
    """A descriptor of the regular file at `path`, to be closed, and its size in bytes.

    Raises OSError for anything else that lies there; a FIFO does not make it wait.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    about = os.fstat(handle)
    if not stat.S_ISREG(about.st_mode):
        os.close(handle)
        raise OSError(f"it is {_kind(about.st_mode)}, not a regular file")
    return handle, about.st_size


def _kind(mode: int) -> str:
    kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a FIFO", stat.S_IFCHR: "a device"}
    return kinds.get(stat.S_IFMT(mode), "no file")


def parsed(text: str | bytes) -> Any:
    """JSON text as a value. Raises ValueError for text that is not JSON or is nested too deep."""
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError(f"it is nested deeper than {MOST_NESTED} levels") from None
    if isinstance(text, str):
        brackets = text.count("[") + text.count("{")
    else:
        brackets = text.count(b"[") + text.count(b"{")
    if brackets > MOST_NESTED and _depth(value) > MOST_NESTED:
        raise ValueError(f"it is nested deeper than {MOST_NESTED} levels")
    return value


def _depth(value: Any) -> int:
    """How many lists and objects lie inside each other; without recursion."""
    depth, level = 0, [value]
    while level := [each for each in level if isinstance(each, dict | list)]:
        depth += 1
        level = [
            inner for each in level for inner in (each.values() if isinstance(each, dict) else each)
        ]
    return depth


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in the file at `path`. Raises FileNotFoundError where there is none, and
    `UserError` where it is anything else."""
    try:
        handle, size = open_regular(path)
        with os.fdopen(handle, "rb") as file:
            if size > MOST_BYTES:
                raise ValueError(f"it is {size:,} bytes, and at most {MOST_BYTES:,} are read")
            value = parsed(file.read())
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise UserError(f"{path}: cannot be read: {why}; {MEND}") from None
    if not isinstance(value, dict):
        raise UserError(f"{path}: holds no JSON object; {MEND}")
    return value


@contextmanager
def named_in(where: str) -> Iterator[None]:
    """Prefix a `UserError` raised inside with `where`, the file and field that it is about."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{where}: {error}") from None


def require_shape(path: Path, schema: type[Record], value: dict[str, Any]) -> dict[str, Any]:
    """`value`, unchanged, if it is as `schema` says; a `UserError` with path and field if not."""
    if problem := misshapen(schema, value):
        raise UserError(f"{path}: {problem}; {MEND}")
    return value


def read_facts(run: Path) -> dict[str, Any]:
    """run.json of a run folder as it stands now (see `locks.as_it_stands`); a `UserError` where
    there is none, or it is not as `RunRecord`."""
    path = run / "run.json"
    try:
        value = read_object(path)
    except FileNotFoundError:
        there = "no such folder" if not run.exists() else "no run.json in it"
        raise UserError(f"{run}: is no run folder ({there})") from None
    return as_it_stands(run, require_shape(path, RunRecord, value))


def read_study(out: Path) -> dict[str, Any]:
    """study.json of a study folder; a `UserError` where there is none, or it is not as
    `StudyRecord`."""
    path = out / "study.json"
    try:
        value = read_object(path)
    except FileNotFoundError:
        raise UserError(f"{out}: is no study folder (no study.json in it)") from None
    return require_shape(path, StudyRecord, value)


# ---- history.jsonl -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """A line of history.jsonl as it is in the file; `facts` is None where it cannot be read.

    `ended`: with a line break; only the last line may lack one, after a kill.
    """

    raw: bytes
    facts: dict[str, Any] | None
    ended: bool


def history_lines(run: Path, strict: bool = True) -> Iterator[Line]:
    """Every line of a run's history.jsonl that is not blank, oldest first; none without a file.

    A line that is not as `LineRecord` counts as one that cannot be read, unless `strict` is false:
    then any JSON object is taken. A line longer than `MOST_LINE_BYTES` comes in pieces, none of
    which can be read.
    """
    path = run / "history.jsonl"
    try:
        handle, _ = open_regular(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}; {MEND}") from None
    with os.fdopen(handle, "rb") as file:
        for raw in iter(lambda: file.readline(MOST_LINE_BYTES), b""):
            if raw.strip():
                yield Line(raw, _line_facts(raw, strict), raw.endswith(b"\n"))


def _line_facts(raw: bytes, strict: bool) -> dict[str, Any] | None:
    try:
        value = parsed(raw)
    except ValueError:
        return None
    good = not misshapen(LineRecord, value) if strict else isinstance(value, dict)
    return value if good else None


def read_history(run: Path) -> Iterator[dict[str, Any]]:
    """The lines of a run's history that can be read, oldest first."""
    return (line.facts for line in history_lines(run) if line.facts is not None)
