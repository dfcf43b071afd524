"""What a user asked for on the command line, sorted by who owns each key."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from pydantic import BaseModel, Field

from steadygan.data import DataSettings
from steadygan.errors import UserError
from steadygan.spec import checked
from steadygan.training import LogSchedule

T = TypeVar("T", bound=BaseModel)

KEY = re.compile(r"^([A-Za-z_][\w.\-]*)=(.*)$", re.DOTALL)
#: Options of the command, which are not keys.
OPTIONS = ("data", "steps", "budget", "seed", "out", "device", "add", "drop")


class RunSettings(LogSchedule):
    """The keys that belong to the run: cadence, precision, threads, whether schedules follow the
    recipe's horizon or the run's own length (`training/horizon.py`), and on a GPU whether it is
    exact and repeats CUDA graphs (`training/precision.py`)."""

    precision: Literal["auto", "fp32", "bf16"] = "auto"
    threads: int | None = Field(None, ge=1, le=4096)
    horizon: Literal["recipe", "budget"] = "recipe"
    exact: bool = False
    graphs: bool = True


@dataclass
class Request:
    """`key=value` words sorted into those of the data, of the run and of the recipe."""

    data: DataSettings = field(default_factory=DataSettings)
    run: RunSettings = field(default_factory=RunSettings)
    recipe: dict[str, str] = field(default_factory=dict)

    def schedule(self) -> LogSchedule:
        return LogSchedule(**{name: getattr(self.run, name) for name in LogSchedule.model_fields})


def read_request(words: Iterable[str]) -> Request:
    """Sort `key=value` words; a word of another form, or a bad value, is a `UserError`."""
    data: dict[str, str] = {}
    run: dict[str, str] = {}
    recipe: dict[str, str] = {}
    for key, value in pairs(words).items():
        if key in OPTIONS:
            raise UserError(f"{key}={value}: give it as --{key} {value}")
        owner = data if key in DataSettings.model_fields else recipe
        owner = run if key in RunSettings.model_fields else owner
        owner[key] = value
    return Request(_typed(DataSettings, data), _typed(RunSettings, run), recipe)


def pairs(words: Iterable[str]) -> dict[str, str]:
    """`key=value` words as a dict; a word of another form, or a key given twice, is a
    `UserError`."""
    found: dict[str, str] = {}
    for word in words:
        match = KEY.match(word)
        if not match:
            raise UserError(f"'{word}': settings are key=value, such as batch=32")
        key, value = match.groups()
        if key in found:
            raise UserError(f"{word}: '{key}' is given twice")
        found[key] = value
    return found


def _typed(cls: type[T], values: dict[str, str]) -> T:
    where = " ".join(f"{k}={v}" for k, v in values.items())
    return checked(where, cls, **values)


def is_setting(word: str) -> bool:
    """True for `key=value`; False for a method such as `wgan` or `wgan:lr=1e-4`."""
    return KEY.match(word) is not None


def names_own_code(words: Iterable[str]) -> bool:
    """Whether an argument names the user's own code as `module:Class`, which needs no
    --trust-code."""
    return any(re.search(r"(^|[=,:])[A-Za-z_][\w.]*:[A-Za-z_][\w.]*(?=$|[:,])", w) for w in words)
