"""New lines of a run's history, as they are written."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from steadygan.training import Trainer

#: Seconds between two looks at the history.
EVERY = 1.0


class Reader(Protocol):
    """What is told of a run."""

    def line(self, run: Path, line: dict[str, Any]) -> None:
        """A line of history.jsonl."""

    def close(self, run: Path) -> None:
        """The run has ended, or stops."""


@dataclass
class Follower:
    """The hook `on_iteration` that hands each new line of the run's history to `readers`, and calls
    `then`, the hook that was there. A context: what is left is handed over at its end.

    A reader that fails is told nothing more, which is said; the run goes on. It begins after the
    lines that are there when it is first called, unless the run is at its beginning: those of a
    resumed run were told before.
    """

    readers: Sequence[Reader]
    then: Callable[[Trainer], None] = lambda trainer: None
    say: Callable[[str], None] = lambda text: None
    clock: Callable[[], float] = time.monotonic
    _left: list[Reader] = field(default_factory=list, init=False)
    _run: Path | None = field(default=None, init=False)
    _told: int = field(default=0, init=False)
    _next: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self._left = list(self.readers)

    def __call__(self, trainer: Trainer) -> None:
        self.then(trainer)
        if self._run is None:
            self._begin(trainer)
        if self.clock() >= self._next:
            self._tell()
            self._next = self.clock() + EVERY

    def _begin(self, trainer: Trainer) -> None:
        self._run = trainer.folder.path
        history = trainer.folder.history_path
        for text in history.read_bytes().splitlines(keepends=True) if history.exists() else ():
            if json.loads(text).get("step", 0) >= trainer.iteration:
                break  # this iteration's own line is news
            if trainer.iteration > 1:
                self._told += len(text)

    def _tell(self) -> None:
        assert self._run is not None
        for line in self._new_lines(self._run):
            self._each(lambda reader, run: reader.line(run, line))  # noqa: B023 - called at once

    def _each(self, tell: Callable[[Reader, Path], None]) -> None:
        assert self._run is not None
        for reader in list(self._left):
            try:
                tell(reader, self._run)
            except Exception as error:  # of libraries and disks; a run of hours is worth more
                self._left.remove(reader)
                first = next(iter(str(error).splitlines()), "")
                self.say(
                    f"{type(reader).__name__} is told nothing more of this run: "
                    f"{type(error).__name__}: {first}"
                )

    def _new_lines(self, run: Path) -> Iterator[dict[str, Any]]:
        """Whole lines after those that were told."""
        try:
            with open(run / "history.jsonl", "rb") as file:
                file.seek(self._told)
                new = file.read()
        except FileNotFoundError:
            return
        for text in new.splitlines(keepends=True):
            if not text.endswith(b"\n"):
                return
            self._told += len(text)
            yield json.loads(text)

    def __enter__(self) -> Follower:
        return self

    def __exit__(self, *_: object) -> None:
        if self._run is None:
            return
        self._tell()
        self._each(lambda reader, run: reader.close(run))
