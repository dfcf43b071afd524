"""Errors that end a command in one clear line, with the exit code that each kind has.

Exit codes: 0 done; 2 the user's mistake; 3 non-finite numbers; 4 no intact checkpoint; 5 a study
with failed runs; 6 another process of the run was lost; 75 time limit reached, run again; 128 + its
number for a signal: 129 SIGHUP, 130 SIGINT, 143 SIGTERM, and 141 for a closed pipe; 1 anything
unexpected, out of memory, and damaged images that were being read.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class SteadyGanError(Exception):
    """Base of every error this package raises on purpose: its text is one line for the user."""

    exit_code = 1


class UserError(SteadyGanError):
    """The user's mistake: what is wrong, where, and what to do, in one line."""

    exit_code = 2


class DamagedDataError(SteadyGanError):
    """Images on disk are no longer what was written, which was seen as they were read."""


class NonFiniteError(SteadyGanError):
    """NaN or Inf in a running game; the message names network, part, layer and step."""

    exit_code = 3


class CheckpointError(SteadyGanError):
    """No intact checkpoint, or a damaged one; the message has its path."""

    exit_code = 4


class StudyError(SteadyGanError):
    """A study finished, but some of its runs failed."""

    exit_code = 5


#: Texts of the RuntimeErrors that torch's allocators raise when memory runs out.
NO_MEMORY = ("not enough memory", "can't allocate memory", "out of memory")


def in_a_line(error: BaseException) -> tuple[str, int]:
    """An error in one line, and the exit code it ends the program with."""
    text = f"{type(error).__name__}: {error}".strip().splitlines()[0]
    if isinstance(error, SteadyGanError):
        return str(error), error.exit_code
    if isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(words in str(error) for words in NO_MEMORY)
    ):
        return f"out of memory ({text[:200]}); a smaller batch= or width= needs less", 1
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        name = str(error.filename)
        short = name if len(name) <= 100 else f"{name[:60]}...{name[-20:]}"
        return f"{short}: {error.strerror}", 2
    return f"unexpected {text}", 1


#: At most this many names are listed where none is near; parts and methods are fewer.
FEW = 40


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` for the nearest of `known`, or all that are known if they are few."""
    known = sorted(known)
    near = difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.6)
    if near:
        return f"; did you mean '{near[0]}'?"
    return f"; known: {', '.join(known)}" if len(known) <= FEW else ""
