"""Compare methods: a run each under one budget, in one folder with one report."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from steadygan.data import Dataset
from steadygan.errors import NonFiniteError, StudyError, UserError, did_you_mean
from steadygan.game.overrides import keys_of
from steadygan.game.recipe import Recipe
from steadygan.methods import Method, find
from steadygan.spec import read_pairs
from steadygan.study.compose import compose, keys_taken
from steadygan.study.request import Request
from steadygan.training import Hooks, Stopped, resume, train
from steadygan.training.checkpoint import listed
from steadygan.training.runfolder import read_facts, write_whole
from steadygan.training.runs import goal_of, require_fit


@dataclass(frozen=True)
class Entry:
    """One method of a study with its settings: a run is named after it."""

    name: str
    method: Method
    recipe: Recipe


@dataclass(frozen=True)
class Study:
    """What a study is made of; `facts` is what study.json says."""

    entries: tuple[Entry, ...]
    data: Dataset
    request: Request
    seed: int
    steps: int | None
    budget_minutes: float | None
    device: str
    command: str

    def facts(self) -> dict[str, Any]:
        return {
            "format": 1,
            "command": self.command,
            "data": self.data.spec,
            "runs": [f"runs/{self.run_name(entry)}" for entry in self.entries],
            "methods": {e.name: e.recipe.model_dump(mode="json") for e in self.entries},
            "data_used": self.data.describe(),
            "run_settings": self.request.run.model_dump(mode="json"),
            "device": self.device,
            "seed": self.seed,
            **goal_of(self.steps, self.budget_minutes).as_facts(),
        }

    def run_name(self, entry: Entry) -> str:
        return f"{entry.name}-s{self.seed}"


@dataclass
class Outside:
    """What the caller adds: hooks for each run, an evaluation of a finished one, words to say."""

    hooks: Callable[[str], Hooks] = lambda name: Hooks()
    evaluate: Callable[[Path], None] = lambda run: None
    say: Callable[[str], None] = print
    failed: list[str] = field(default_factory=list)


def entries_of(
    words: Iterable[str], shape: tuple[int, ...], shared: dict[str, str]
) -> tuple[Entry, ...]:
    """Entries from `METHOD[:key=value,...]` words; a `shared` key goes to each method that has it,
    and is a `UserError` if none has."""
    found: list[Entry] = []
    used: set[str] = set()
    for word in words:
        name, _, rest = word.partition(":")
        method = find(name)
        try:
            own = read_pairs(rest, word)
        except ValueError as error:
            raise UserError(str(error)) from None
        general = keys_taken(method, shape, own, shared)
        used |= set(general)
        label = "-".join([method.name, *(f"{k}-{v}" for k, v in own.items())])
        entry = Entry(_path_safe(label), method, compose(method, shape, {**general, **own}))
        if entry.name in [e.name for e in found]:
            raise UserError(f"{word}: is in the study twice")
        found.append(entry)
    for key in sorted(set(shared) - used):
        known = {known for entry in found for known in keys_of(entry.recipe)}
        raise UserError(
            f"{key}={shared[key]}: no method of this study has the key '{key}'"
            f"{did_you_mean(key, known)}"
        )
    return tuple(found)


def _path_safe(label: str) -> str:
    return "".join(c if c.isalnum() or c in "-_.=" else "-" for c in label)


def run_study(study: Study, out: Path, outside: Outside) -> Path:
    """Run every entry that is not finished; a failed run is a result, not the end of the study.

    Called again with the same study it goes on where it was cut off. Raises `StudyError` at the
    end if a run failed, `UserError` before anything runs if an entry does not fit the data.
    """
    for entry in study.entries:
        require_fit(entry.recipe, study.data)
    _open(study, out)
    for entry in study.entries:
        path = out / "runs" / study.run_name(entry)
        try:
            _run_one(study, entry, path, outside)
        except Stopped:
            raise
        except NonFiniteError as error:
            outside.failed.append(f"{entry.name}: {error}")
            outside.say(f"{entry.name} failed: {error}")
        if read_facts(path)["status"]["state"] == "finished":
            outside.evaluate(path)
    return out


def _run_one(study: Study, entry: Entry, path: Path, outside: Outside) -> None:
    hooks = outside.hooks(entry.name)
    if listed(path / "checkpoints"):
        state = read_facts(path)["status"]
        if state["state"] == "failed":
            raise NonFiniteError(state["reason"])
        if state["state"] != "finished":
            resume(path, hooks=hooks, say=outside.say)
        return
    train(
        entry.recipe,
        study.data,
        out=path,
        steps=study.steps,
        budget_minutes=study.budget_minutes,
        seed=study.seed,
        device=study.device,
        precision=study.request.run.precision,
        cadence=study.request.cadence(),
        hooks=hooks,
        command=study.command,
        title=entry.method.title,
    )


def _open(study: Study, out: Path) -> None:
    """Begin study.json, or find the same study in it."""
    facts, path = study.facts(), out / "study.json"
    if path.exists():
        try:
            known = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise UserError(f"{path}: damaged: {error}") from None
        if {**known, "command": ""} != json.loads(json.dumps({**facts, "command": ""})):
            raise UserError(f"--out {out}: holds another study; give another folder")
        return
    try:
        out.mkdir(parents=True, exist_ok=True)
        if any(out.iterdir()):
            raise UserError(f"--out {out}: not empty and no study; give another folder")
    except OSError as error:
        raise UserError(f"--out {out}: {error.strerror or error}") from None
    write_whole(path, json.dumps(facts, ensure_ascii=False, indent=1))


def raise_if_failed(outside: Outside) -> None:
    """End a study with failed runs: exit code 5, each reason said."""
    if outside.failed:
        raise StudyError(f"{len(outside.failed)} run(s) failed: {'; '.join(outside.failed)}")


__all__ = ["Entry", "Outside", "Study", "entries_of", "raise_if_failed", "run_study"]
