"""Signals outside the training loop: the command ends with its exit code and nothing half-written.

Inside the loop `training.StopAsked` takes them, and the state is saved first.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

#: Each ends with 128 + its number, as in shells.
NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """A signal asked the command to end. Not an `Exception`, so that no handler on the call stack
    catches it; clean-up (`finally`, `with`) runs as usual."""

    def __init__(self, number: int) -> None:
        super().__init__(f"interrupted by {signal.Signals(number).name}")
        self.exit_code = 128 + number


def _end(number: int, _frame: object) -> None:
    signal.signal(number, signal.SIG_DFL)  # a second one does not wait for the clean-up
    raise Interrupted(number)


def ignore() -> None:
    """Take no more signals: the command is on its way out, and says why."""
    for number in NUMBERS:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def ending() -> Iterator[None]:
    """Raise `Interrupted` on SIGINT, SIGTERM and SIGHUP while inside; one that is ignored, as under
    `nohup`, stays ignored."""
    old = {number: signal.getsignal(number) for number in NUMBERS}
    for number, handler in old.items():
        if handler is not None and handler != signal.SIG_IGN:
            signal.signal(number, _end)
    try:
        yield
    finally:
        for number, handler in old.items():
            if handler is not None:
                signal.signal(number, handler)
