"""Stopping on time: signals set a flag, and the loop stops between iterations with its state
saved."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from steadygan.training.goals import Stopped

EXIT_CODES: dict[int, int] = {signal.SIGTERM: 143, signal.SIGINT: 130, signal.SIGHUP: 129}
#: A closed pipe is no signal here: Python ignores SIGPIPE, and a broken socket is nobody's wish.
CLOSED_PIPE = 141


@dataclass
class StopAsked:
    """Says when to stop: after a signal, `after_seconds` of wall clock (exit code 75), or once
    `reader_left()`: nobody reads what the program says (exit code 141)."""

    after_seconds: float | None = None
    received: int | None = None
    reader_left: Callable[[], bool] = lambda: False
    started: float = field(default_factory=time.monotonic)

    def __call__(self) -> Stopped | None:
        if self.received is not None:
            name = signal.Signals(self.received).name
            return Stopped(f"stopped by {name}, state saved", EXIT_CODES[self.received])
        if self.reader_left():
            return Stopped("the pipe it writes to was closed, state saved", CLOSED_PIPE)
        if self.after_seconds is not None and time.monotonic() - self.started > self.after_seconds:
            return Stopped("stopped on time, state saved: run me again", 75)
        return None

    def handle(self, number: int, _frame: object) -> None:
        """A signal only sets the flag; the first one decides, further ones change nothing."""
        self.received = self.received or number

    @contextmanager
    def listening(self) -> Iterator[StopAsked]:
        """Take SIGTERM, SIGINT and SIGHUP while inside; give the old handlers back after.

        Not after a signal: the process is on its way out then, and a second one must not change
        the exit code of the first. A SIGHUP that is ignored, as `nohup` does, stays so.
        """
        kept = [signal.SIGHUP] * (signal.getsignal(signal.SIGHUP) == signal.SIG_IGN)
        taken = [number for number in EXIT_CODES if number not in kept]
        old = {number: signal.signal(number, self.handle) for number in taken}
        try:
            yield self
        finally:
            if self.received is None:
                for number, handler in old.items():
                    signal.signal(number, handler)
