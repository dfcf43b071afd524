"""Standard streams that may be closed, full, or gone: a write to one never ends the program.

A terminal that hangs up, a pipe whose reader left and a full disk are no reason to lose a run:
what cannot be written is dropped. A result that did not reach stdout is an error at the end.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from steadygan.errors import UserError

#: The exit code of a shell for a program that a closed pipe ended: 128 + SIGPIPE.
CLOSED_PIPE = 141
_guards: list[_Stream] = []


class _Stream(io.RawIOBase):
    """Writes to a file descriptor until that fails; why it failed is in `lost`."""

    def __init__(self, handle: int) -> None:
        super().__init__()
        self.handle = handle
        self.lost: OSError | None = None

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self.handle

    def isatty(self) -> bool:
        return os.isatty(self.handle)

    def write(self, data: Any) -> int:
        if self.lost is None:
            try:
                return os.write(self.handle, data)
            except OSError as error:
                self.lost = error
        return len(data)


@contextmanager
def guarded() -> Iterator[_Stream | None]:
    """Put guards in place of sys.stdout and sys.stderr; yields that of stdout.

    Streams that another program has replaced (a notebook, a test) are left alone: None then.
    """
    real = {"stdout": sys.stdout, "stderr": sys.stderr}
    guards: dict[str, _Stream] = {}
    for handle, name in ((1, "stdout"), (2, "stderr")):
        if real[name] is getattr(sys, f"__{name}__"):
            guards[name] = _Stream(handle)
            setattr(sys, name, _text(guards[name], real[name], by_line=name == "stderr"))
            if real[name] is None:
                guards[name].lost = OSError(errno.EBADF, "it is closed")
    _open_missing()
    _guards[:] = guards.values()
    try:
        yield guards.get("stdout")
    finally:
        for name, stream in real.items():
            getattr(sys, name).flush()
            setattr(sys, name, stream)
        _guards.clear()


_hushed: list[int] = []


def hush() -> None:
    """Write nothing more: what this process says, another one says as well."""
    _hushed.append(os.dup(2))
    null = os.open(os.devnull, os.O_WRONLY)
    for handle in (1, 2):
        os.dup2(null, handle)
    os.close(null)


def hushed() -> bool:
    return bool(_hushed)


def speak() -> None:
    """Let standard error be heard again after `hush`."""
    if _hushed:
        sys.stderr.flush()
        os.dup2(_hushed.pop(), 2)


def reader_left() -> bool:
    """Whether a pipe that stdout or stderr writes into is closed at its other end."""
    return any(guard.lost and guard.lost.errno == errno.EPIPE for guard in _guards)


def _text(raw: _Stream, like: TextIO | None, by_line: bool) -> TextIO:
    encoding = getattr(like, "encoding", None) or "utf-8"
    errors = getattr(like, "errors", None) or "backslashreplace"
    by_line = by_line or raw.isatty()
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding, errors, line_buffering=by_line)


def _open_missing() -> None:
    """Open the closed ones of descriptors 0 to 2 on /dev/null: a file that got the number of a
    standard stream would receive what libraries print."""
    for handle in range(3):
        try:
            os.fstat(handle)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != handle:
                os.dup2(opened, handle)
                os.close(opened)
            os.set_inheritable(handle, True)


def require_open(stdout: _Stream | None) -> None:
    """Raise `UserError` where standard output is closed, before anything is worked on."""
    if stdout is not None and stdout.lost is not None:
        raise UserError("standard output is closed; `> /dev/null` drops what is written there")


def code_at_end(stdout: _Stream | None) -> int:
    """The exit code of a command that is done: 0, or 141 where the reader of stdout left before
    the end. Raises `UserError` where the result was lost in another way."""
    sys.stdout.flush()
    if stdout is None or stdout.lost is None:
        return 0
    if stdout.lost.errno == errno.EPIPE:
        return CLOSED_PIPE
    raise UserError(f"standard output cannot be written: {stdout.lost.strerror}")
