"""What was run, on what, for how long and where, from all runs of a study."""

from __future__ import annotations

from typing import Any

from steadygan.report.read import Run, Study, dig
from steadygan.report.text import count, duration, words
from steadygan.stability.signals import number


def facts(study: Study) -> list[tuple[str, str]]:
    """What was run, on what, for how long and where, as terms and short texts."""
    runs = study.runs
    rows = [
        ("Data", _data(runs)),
        ("Length", _length(study)),
        ("Seeds" if len(distinct(runs, "seed")) > 1 else "Seed", same(runs, "seed")),
        ("Machine", _machine(runs)),
        ("Versions", _versions(runs)),
    ]
    return [(term, text) for term, text in rows if text]


def _length(study: Study) -> str:
    said = [study.info.get("budget_seconds")] if study.info.get("budget_seconds") else []
    goals = [{"budget_seconds": item} for item in said] or [run.get("goal") for run in study.runs]
    texts = []
    for goal in goals:
        if number(dig(goal, "budget_seconds")) is not None:
            texts.append(f"{duration(goal['budget_seconds'])} of training")
        elif number(dig(goal, "steps")) is not None:
            texts.append(f"{count(goal['steps'])} steps")
    text = " / ".join(dict.fromkeys(texts))
    return text + (" a run" if text and not study.single else "")


def _data(runs: list[Run]) -> str:
    texts = []
    for run in runs:
        data = run.get("data")
        if not isinstance(data, dict):
            continue
        shape = " × ".join(words(item) for item in as_list(data.get("shape")))
        split = f"{count(data.get('train'))} to train on, {count(data.get('test'))} held out"
        names = [words(name) for name in as_list(data.get("class_names"))]
        listed = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
        classes = f"{len(names)} classes: {listed}" if names else ""
        said = [words(data.get("spec") or data.get("name")), shape, split, classes]
        texts.append(" · ".join(item for item in said if item))
    return " / ".join(dict.fromkeys(texts))


def _machine(runs: list[Run]) -> str:
    said = [same(runs, "device"), same(runs, "precision")]
    threads = same(runs, "threads")
    said.append(f"{threads} thread{'' if threads == '1' else 's'}" if threads else "")
    return " · ".join(item for item in said if item)


def _versions(runs: list[Run]) -> str:
    names = dict.fromkeys(name for run in runs for name in as_dict(run.get("versions")))
    return " · ".join(f"{name} {same(runs, 'versions', name)}" for name in names)


def same(runs: list[Run], *path: str) -> str:
    """The value at a path of keys; where runs differ, all of them."""
    return " / ".join(distinct(runs, *path))


def distinct(runs: list[Run], *path: str) -> list[str]:
    found = [value for run in runs if (value := run.get(*path)) is not None]
    return list(dict.fromkeys(words(value) for value in found))


def as_list(value: Any) -> list[Any]:
    """`value` if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def as_dict(value: Any) -> dict[str, Any]:
    """`value` if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}
