"""Specs: frozen, keyword-only, validated settings that build what they describe.

A spec is addressed by its `name` ("gradient-penalty"), written to `run.json` as
`{"name": ..., field: value}`, and read back from that, from a name, or from the command line's
`name:key=value,...`. Families (objectives, parts, priors, ...) are base classes; their members
are found through `__subclasses__`, so a new one needs no registration.
"""

from __future__ import annotations

import importlib
import re
import sys
import typing
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    SerializeAsAny,
    ValidationError,
    model_serializer,
)
from pydantic_core import core_schema

from steadygan.errors import UserError, did_you_mean

S = TypeVar("S", bound="Spec")

_IMPORTS: ContextVar[bool] = ContextVar("imports", default=False)


@contextmanager
def importing_members() -> Iterator[None]:
    """Within (or in a function that this decorates), text that names a member as `module:Class`
    imports its module: for text typed by the user, never for text read from a file."""
    before = _IMPORTS.set(True)
    try:
        yield
    finally:
        _IMPORTS.reset(before)


R = TypeVar("R")

_OWN = re.compile(r"([A-Za-z_]\w*(?:\.\w+)*:[A-Za-z_]\w*(?:\.\w+)*)(?=:|$)")


class Spec(BaseModel):
    """Base of every frozen setting. Raises `UserError` only through `checked`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    name: ClassVar[str] = ""

    def __init__(self, /, **fields: Any) -> None:  # pydantic's own takes keywords only as well
        super().__init__(**fields)

    @model_serializer(mode="wrap")
    def _with_name(self, handler: Any) -> dict[str, Any]:
        name = self.recorded_name()
        return {"name": name, **handler(self)} if name else handler(self)

    @classmethod
    def recorded_name(cls) -> str:
        """What run.json calls it: its name, or `module:Class` where a user's module defines it."""
        home = cls.__module__
        if not cls.name or home.partition(".")[0] in ("steadygan", "__main__"):
            return cls.name
        return cls.name if "<locals>" in cls.__qualname__ else f"{home}:{cls.__qualname__}"

    @classmethod
    def members(cls: type[S]) -> dict[str, type[S]]:
        """Every named subclass by name; the first of several with one name."""
        found = {cls.name: cls} if cls.name else {}
        for sub in cls.__subclasses__():
            found = {**sub.members(), **found}
        return found

    @classmethod
    def named(cls: type[S], name: str, /, **fields: Any) -> S:
        """Build the member called `name`; an unknown name lists the nearest."""
        if ":" in name:
            return own_member(cls, name)(**fields)
        members = cls.members()
        key = name.strip().lower().replace("_", "-")
        if key not in members:
            near, listed = did_you_mean(key, members), ", ".join(sorted(members))
            near += f" Known: {listed}" if near.endswith("?") else ""
            raise ValueError(f"unknown {family_of(cls)} '{name}'{near}")
        known = members[key].model_fields
        for field in fields:
            if field not in known:
                there = did_you_mean(field, known) if known else ": it takes none"
                raise ValueError(f"{key} has no key '{field}'{there}")
        return members[key](**{k: split_commas(members[key], k, v) for k, v in fields.items()})

    @classmethod
    def read(cls: type[S], value: Any) -> Any:
        """A member from itself, its dict, its name, or `name:key=value,...`. A user's own is named
        as `module:Class`, then perhaps `:key=value,...`; see `importing_members`."""
        if isinstance(value, str):
            if (own := own_name(value)) is not None and value.partition(":")[
                0
            ] not in cls.members():
                found = own_member(cls, own)
                pairs = read_pairs(value[len(own) + 1 :], value)
                return found(**{k: split_commas(found, k, v) for k, v in pairs.items()})
            name, _, rest = value.partition(":")
            return cls.named(name, **read_pairs(rest, value))
        if isinstance(value, dict) and "name" in value:
            fields = dict(value)
            if not isinstance(name := fields.pop("name"), str):
                raise ValueError(f"name: a {family_of(cls)} is named by text (got {name!r:.60})")
            return cls.named(name, **fields)
        return value


def own_name(text: str) -> str | None:
    """The `module:Class` that `text` begins with, before any `:key=value`; None where it does
    not."""
    found = _OWN.match(text)
    return found[1] if found else None


def own_member(family: type[S], name: str) -> type[S]:
    """The class that `name`, `module:Class`, refers to; see `importing_members`."""
    module, _, qualname = name.partition(":")
    if not _IMPORTS.get() and module not in sys.modules:
        raise ValueError(f"'{name}' is code of its own, which is not imported to be looked at")
    try:
        found: Any = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.split(".")[0]:
            raise ValueError(f"'{name}': module {module} cannot be imported: {error}") from None
        raise ValueError(f"'{name}' wants module:Class, and there is no module '{module}' in the "
                         "working folder or installed") from None  # fmt: skip
    except Exception as error:  # whatever a user's module raises is about that module
        said = f"{type(error).__name__}: {error}".splitlines()[0]
        raise ValueError(f"'{name}': module {module} cannot be imported: {said}") from None
    for piece in qualname.split("."):
        if not hasattr(found, piece):
            where = getattr(found, "__file__", None) or getattr(found, "__path__", "")
            raise ValueError(f"'{name}' wants module:Class, and '{piece}' is not in {where}")
        found = getattr(found, piece)
    if not (isinstance(found, type) and issubclass(found, family)):
        raise ValueError(f"'{name}' is no {family_of(family)}: derive it from "
                         f"{family.__module__}.{family.__name__}")  # fmt: skip
    if not found.name:
        raise ValueError(f"'{name}' has no name: give the class one, name = \"...\"")
    for other in _below(family):
        if other.name == found.name and other is not found:
            raise ValueError(f"'{name}' is named '{found.name}', and so is {other.__module__}:"
                             f"{other.__qualname__}: give it another name")  # fmt: skip
    return found


def _below(family: type[S]) -> Iterator[type[S]]:
    """Every subclass of `family`, at any depth."""
    for sub in family.__subclasses__():
        yield sub
        yield from _below(sub)


def family_of(cls: type[Spec]) -> str:
    """What a family is called in messages: its class name in lower case."""
    return cls.__name__.lower()


class _ByName:
    """Lets a field take a member of its family in every form that `Spec.read` takes."""

    def __get_pydantic_core_schema__(
        self, family: type[Spec], handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_before_validator_function(family.read, handler(family))


#: `Member[Part]`: the type of a field that holds any member of the family Part, with its own
#: fields.
Member = Annotated[S, _ByName(), SerializeAsAny()]


def read_pairs(text: str, whole: str) -> dict[str, str]:
    """`a=1,b=2` as a dict; a comma inside a value that holds no `=` belongs to that value."""
    pairs: dict[str, str] = {}
    last = None
    for piece in filter(None, text.split(",")):
        key, equals, value = piece.partition("=")
        if equals:
            last = key.strip().replace("-", "_")
            pairs[last] = value.strip()
        elif last:
            pairs[last] += "," + piece
        else:
            raise ValueError(f"'{whole}' wants NAME:key=value,key=value")
    return pairs


def split_commas(cls: type[BaseModel], key: str, value: Any) -> Any:
    """Text for a tuple field is split at commas: `0.5,0.999`, `(0.5, 0.999)`; `none` is None where
    the field may be None (and text where it is a word: `d_norm=none`)."""
    field = cls.model_fields.get(key)
    if field is None or not isinstance(value, str):
        return value
    if value.lower() == "none" and type(None) in typing.get_args(field.annotation):
        return None
    if _is_tuple(field.annotation):
        return tuple(piece.strip() for piece in value.strip("()[] ").split(",") if piece.strip())
    return value


def _is_tuple(annotation: Any) -> bool:
    return typing.get_origin(annotation) is tuple or any(
        typing.get_origin(a) is tuple for a in typing.get_args(annotation)
    )


def checked(where: str, build: Callable[..., R], /, *args: Any, **fields: Any) -> R:
    """Call `build`; a validation error becomes one `UserError` line that starts with `where`."""
    try:
        return build(*args, **fields)
    except ValidationError as error:
        raise UserError(f"{where}: {first_problem(error)}") from None
    except ValueError as error:
        raise UserError(f"{where}: {error}") from None


def first_problem(error: ValidationError) -> str:
    """The first problem of a validation error in one line, with its place and input."""
    return problem_of(error.errors()[0])


def problem_of(problem: Mapping[str, Any]) -> str:
    """A problem as pydantic lists it in one line, with its place and input."""
    place = ".".join(str(p) for p in problem["loc"] if not str(p).startswith("function-"))
    text = problem["msg"].removeprefix("Value error, ").replace("Input should be", "should be")
    if problem["type"] == "extra_forbidden":
        return f"no such key '{place}'"
    shown = repr(problem["input"])
    given = f" (got {shown})" if len(shown) < 60 and problem["type"] != "value_error" else ""
    return f"{place}: {text}{given}" if place else f"{text}{given}"
