"""Bars on stderr for what takes long, and plain lines where stderr is no terminal.

Imports no torch, so that loading torch has a bar too.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

#: Seconds between two plain lines of one phase.
QUIET_EVERY = 15.0
#: A phase that ends within this many seconds prints nothing where there is no terminal.
SHORT = 2.0

#: Called as `(done, total)`.
Count = Callable[[int, int], None]


def line(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@contextmanager
def bars() -> Iterator[Progress]:
    """A display for bars on stderr; nothing is drawn where that is no terminal."""
    console = Console(stderr=True, emoji=False)
    columns = [
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.percentage:3.0f}%"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[detail]}"),
    ]
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        yield progress


def counting(progress: Progress, name: str) -> Count:
    """A callable `(done, total)` that shows a bar called `name` from its first call on, and removes
    it when all is done. Without a terminal: a line after 2 s, then every 15 s."""
    drawn, task, told = progress.console.is_terminal, None, None

    def show(done: int, total: int) -> None:
        nonlocal task, told
        now = time.monotonic()
        if drawn:
            task = progress.add_task(name, total=total, detail="") if task is None else task
            progress.update(task, completed=done, total=total)
        elif told is None:
            told = now + SHORT - QUIET_EVERY
        elif now - told >= QUIET_EVERY:
            told = now
            line(f"{name}: {done:,} of {total:,}")
        if done >= total:
            if task is not None:
                progress.remove_task(task)
            task = told = None

    return show


class Phases:
    """Progress of opening data: a bar for each phase. In a pipe, a line for phases that take a
    while.

    Call it with `(phase, done, total)`, `total` none where it is not known.
    """

    def __init__(self, progress: Progress) -> None:
        self.progress, self.drawn = progress, progress.console.is_terminal
        self.phase, self.next_line = "", 0.0
        self.task: TaskID | None = None

    def __call__(self, phase: str, done: int, total: int | None) -> None:
        if phase != self.phase:
            self.phase, self.next_line = phase, time.monotonic() + SHORT
            self.task = self.progress.add_task(phase, total=total, detail="", visible=False)
        assert self.task is not None
        if done != total:  # a phase that is over at its first call has no bar
            self.progress.update(self.task, visible=True)
        self.progress.update(self.task, completed=done, total=total)
        if not self.drawn and time.monotonic() >= self.next_line:
            self.next_line = time.monotonic() + QUIET_EVERY
            line(f"{phase}: {done:,}" + (f" of {total:,}" if total else ""))


def repeating(text: str, first: float) -> Callable[[], None]:
    """Print `text` after `first` seconds, then every `QUIET_EVERY`, until the returned function is
    called."""
    over = threading.Event()

    def run() -> None:
        wait = first
        while not over.wait(wait):
            line(text)
            wait = QUIET_EVERY

    threading.Thread(target=run, daemon=True).start()
    return over.set


@contextmanager
def phase(progress: Progress, name: str) -> Iterator[None]:
    """Show progress of a block whose steps cannot be counted: a moving bar, or a line after 2 s,
    then every 15 s."""
    if progress.console.is_terminal:
        task = progress.add_task(name, total=None, detail="")
        try:
            yield
        finally:
            progress.remove_task(task)
        return
    over = repeating(name, SHORT)
    try:
        yield
    finally:
        over()
