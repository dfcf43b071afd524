"""What the pages of the web app share."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable, Collection
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import gradio as gr

from steadygan.errors import SteadyGanError
from steadygan.studio.jobs import Jobs
from steadygan.studio.shelf import Shelf

P = ParamSpec("P")
R = TypeVar("R")
#: A handler with its inputs and outputs, called when the app is opened.
Load = tuple[Callable[..., Any], Any, Any]
#: Samples that one click may ask for, and the largest seed.
MOST_SAMPLES, MOST_SEED = 100, 2**53
#: Seconds between two looks at what trains.
EVERY = 3.0


@dataclass(frozen=True)
class Studio:
    """`shelf`: the runs; `jobs`: what trains; `images`: folders of pictures that may be trained
    on, by name."""

    shelf: Shelf
    jobs: Jobs
    images: dict[str, Path]

    def run_names(self) -> set[str]:
        """Runs that there are, and that jobs write."""
        return {*self.shelf.names(), *(job.run for job in self.jobs.all())}


def in_a_line(handler: Callable[P, R]) -> Callable[P, R]:
    """Errors that are for people as a message in the page, in a line."""

    @functools.wraps(handler)
    def wrapped(*values: P.args, **named: P.kwargs) -> R:
        try:
            return handler(*values, **named)
        except SteadyGanError as error:
            raise gr.Error(str(error), print_exception=False) from None

    return wrapped


def whole(value: Any, low: int, high: int, name: str) -> int:
    """A number of a field as a whole one in range; a message otherwise."""
    try:
        found = int(value)
    except (TypeError, ValueError, OverflowError):
        raise gr.Error(f"{name}: wants a whole number", print_exception=False) from None
    if not low <= found <= high:
        raise gr.Error(f"{name}: wants {low:,} to {high:,}", print_exception=False)
    return found


def unused(name: str, known: Collection[str]) -> str:
    """`name`, or `name-2`, `name-3`, ...: the first that is not known."""
    names = (name if again == 1 else f"{name}-{again}" for again in count(1))
    return next(each for each in names if each not in known)


@functools.cache
def _scratch() -> tempfile.TemporaryDirectory:
    """Where files to download are made; gone with the app."""
    return tempfile.TemporaryDirectory(prefix="steadygan-studio-")


def scratch_folder() -> Path:
    """A new folder for files to download."""
    return Path(tempfile.mkdtemp(dir=_scratch().name))


def chosen(names: list[str], current: Any) -> Any:
    """A dropdown of the names as they are now, at the current one or else the first."""
    value = current if current in names else (names[0] if names else None)
    return gr.Dropdown(choices=names, value=value)


def shown_picture(label: str, height: int | None = None) -> gr.Image:
    """A picture that can be enlarged and kept, and shared with nobody."""
    return gr.Image(label=label, interactive=False, type="numpy", height=height,
                    buttons=["fullscreen", "download"])  # fmt: skip
