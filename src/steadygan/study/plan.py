"""The plan of a study: methods x seeds on one data set under one budget, kept in study.json.

study.json is all that a worker needs: it rebuilds recipe, data and settings from it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import Field

from steadygan import locks
from steadygan.data import Dataset, DataSettings
from steadygan.errors import UserError, did_you_mean
from steadygan.files import json_text, why, write_whole
from steadygan.game.recipe import Recipe
from steadygan.methods import Method, find
from steadygan.recipes.overrides import keys_of
from steadygan.records import read_study
from steadygan.spec import Spec, checked, read_pairs
from steadygan.study.compose import compose, keys_taken
from steadygan.study.request import Request, RunSettings
from steadygan.training.recorded import recipe_now
from steadygan.training.runs import goal_of

#: What may differ between two calls of one study: how it was typed, how it is spread over cores,
#: and methods and seeds that are added.
FREE = ("command", "threads", "methods", "steps_of", "seeds", "runs")


class Evaluation(Spec):
    """How the runs of a study are evaluated: `every` (see `stability.trajectory.Schedule`; None for
    never) on `draft` samples while training, and on `count` samples when they are done; `features`
    and the file of their `weights` as `features.extract.find_features` takes them, or none."""

    every: str | None = "auto"
    draft: int = Field(2000, ge=50)
    count: int = Field(10_000, ge=50)
    features: str = "auto"
    weights: str | None = None


@dataclass(frozen=True)
class Entry:
    """One method of a study with its settings: its runs are named after it. `steps`: of its runs,
    where they are not those of the study."""

    name: str
    method: Method
    recipe: Recipe
    steps: int | None = None


@dataclass(frozen=True)
class Study:
    """What a study is made of; `facts` is what study.json says. `processes` share the batches of
    each run, each with `threads`."""

    entries: tuple[Entry, ...]
    data: Dataset
    request: Request
    seeds: tuple[int, ...]
    steps: int | None
    budget_minutes: float | None
    device: str
    command: str
    threads: int = 1
    evaluation: Evaluation = field(default_factory=Evaluation)
    processes: int = 1

    def __post_init__(self) -> None:
        own = [f"{entry.name}:steps={entry.steps}" for entry in self.entries if entry.steps]
        if own and self.steps is None:
            raise UserError(
                f"{own[0]}: give --steps N, for the methods without steps= of their own"
            )

    def facts(self) -> dict[str, Any]:
        names = [run_name(e.name, seed) for e in self.entries for seed in self.seeds]
        return {
            "format": 1,
            "command": self.command,
            "data": self.data.spec,
            "data_settings": self.request.data.model_dump(mode="json"),
            "runs": [f"runs/{name}" for name in names],
            "methods": {e.name: e.recipe.model_dump(mode="json") for e in self.entries},
            "steps_of": {e.name: e.steps for e in self.entries if e.steps},
            "data_used": self.data.describe(),
            "run_settings": self.request.run.model_dump(mode="json"),
            "threads": self.request.run.threads or self.threads,
            "processes": self.processes,
            "device": self.device,
            "seeds": list(self.seeds),
            "evaluation": self.evaluation.model_dump(mode="json"),
            **goal_of(self.steps, self.budget_minutes).as_facts(),
        }


def processes_of(facts: dict[str, Any]) -> int:
    """How many processes train each run of a study; study.json of earlier versions says nothing."""
    return facts.get("processes", 1)


def run_name(entry: str, seed: int) -> str:
    return f"{entry}-s{seed}"


def goal_facts(facts: dict[str, Any], entry: str) -> dict[str, Any]:
    """The goal of an entry's runs, as run.json and study.json record one."""
    own = facts.get("steps_of", {}).get(entry)
    if own is not None:
        return {"steps": own}
    return {key: facts[key] for key in ("steps", "budget_seconds") if facts.get(key) is not None}


def in_turn(facts: dict[str, Any]) -> list[str]:
    """The names of a study's runs in the order they are worked on: every method with the first
    seed, then with the next, so that a study cut short can still be compared."""
    return [run_name(entry, seed) for seed in facts["seeds"] for entry in facts["methods"]]


def planned(facts: dict[str, Any], run: str) -> tuple[str, int]:
    """The entry and the seed of a run by its name."""
    for entry in facts["methods"]:
        for seed in facts["seeds"]:
            if run_name(entry, seed) == run:
                return entry, seed
    raise UserError(f"{run}: is no run of this study{did_you_mean(run, in_turn(facts))}")


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
        steps = _own_steps(own.pop("steps", None), word)
        general = keys_taken(method, shape, own, shared)
        used |= set(general)
        label = "-".join([method.name, *(f"{k}-{v}" for k, v in own.items())])
        if steps is not None and _path_safe(label) in [e.name for e in found]:
            label += f"-steps-{steps}"  # the same recipe for longer
        recipe = compose(method, shape, {**general, **own})
        entry = Entry(_path_safe(label), method, recipe, steps)
        if entry.name in [e.name for e in found]:
            raise UserError(f"{word}: is in the study twice")
        found.append(entry)
    for key in sorted(set(shared) - used):
        known = {known for entry in found for known in keys_of(entry.recipe)}
        if key in known:
            raise UserError(
                f"{key}={shared[key]}: every method of this study that has the key sets its own; "
                "leave one of the two out"
            )
        raise UserError(
            f"{key}={shared[key]}: no method of this study has the key '{key}'"
            f"{did_you_mean(key, known)}"
        )
    return tuple(found)


def _own_steps(text: str | None, word: str) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and int(text) >= 1):
        raise UserError(f"{word}: steps={text}: wants a whole number, 1 or more")
    return int(text)


def _path_safe(label: str) -> str:
    return "".join(c if c.isalnum() or c in "-_.=" else "-" for c in label)


# ---- study.json --------------------------------------------------------------------------------

_SETTINGS = {"data_settings": DataSettings, "run_settings": RunSettings, "evaluation": Evaluation}


def begin(study: Study, out: Path) -> dict[str, Any]:
    """Write study.json, or find the same study in it; its facts as they are now.

    More methods or seeds extend the study. Without `threads=` the recorded thread count stays, so
    that another --jobs changes no result.
    """
    facts, path = json.loads(json.dumps(study.facts())), out / "study.json"
    if not path.exists():
        make_room(out)
        _write(path, facts)
        return facts
    known = read_study(out)
    known["methods"] = {name: recipe_now(recipe, path) for name, recipe in known["methods"].items()}
    for key, kind in _SETTINGS.items():  # with the defaults of settings that came later
        known[key] = checked(f"{path}: {key}", kind, **known[key]).model_dump(mode="json")
    if differing := _differing(known, facts):
        raise UserError(
            f"--out {out}: holds another study ({', '.join(differing)}); give another folder"
        )
    if study.request.run.threads is None:
        facts["threads"] = known["threads"]
    if facts["runs"] != known["runs"]:
        _write(path, facts)
        return facts
    return known


def make_room(out: Path) -> None:
    """Make the folder of a study; refused: one that holds anything but a study."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        held = {path.name for path in out.iterdir()} - {locks.NAME}
    except OSError as error:
        raise UserError(why(error, out)) from None
    if held and "study.json" not in held:
        raise UserError(f"--out {out}: not empty and no study; give another folder")


@contextmanager
def alone(out: Path) -> Iterator[None]:
    """Lock the study in `out` for this process.

    Raises `BusyError` where another process works on it: this one would take the runs that are
    trained there for failed ones.
    """
    make_room(out)
    busy = f"--out {out}: another `steadygan compare` works on this study; wait for it or stop it"
    try:
        handle = locks.acquire(out, busy)
    except OSError as error:
        raise UserError(why(error, out)) from None
    try:
        yield
    finally:
        os.close(handle)


def _differing(known: dict[str, Any], asked: dict[str, Any]) -> list[str]:
    """The keys in which the recorded study differs from the requested one; added methods or seeds
    are no difference."""
    keys = {*known, *asked} - {*FREE, "processes"}
    found = sorted(key for key in keys if known.get(key) != asked.get(key))
    was, now = processes_of(known), processes_of(asked)
    found += [f"--processes-per-run {was}, not {now}"] * (was != now)
    methods, seeds = known["methods"], set(known["seeds"])
    if any(asked["methods"].get(name) != recipe for name, recipe in methods.items()):
        found.append("methods")
    if not found and any(goal_facts(known, name) != goal_facts(asked, name) for name in methods):
        found.append("steps")
    return found + ["seeds"] * (not seeds <= set(asked["seeds"]))


def _write(path: Path, facts: dict[str, Any]) -> None:
    write_whole(path, json_text(facts))
