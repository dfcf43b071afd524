"""Locks of run and study folders: one writer at a time, and whether there is one now.

The lock is flock(2) on the folder's `.lock`. The kernel drops it with the process that holds it,
whatever ended that process, so it is more reliable than anything that the process wrote.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from typing import Any

from steadygan.errors import UserError

NAME = ".lock"
#: The reason of the state "interrupted".
INTERRUPTED = (
    "its process ended without saving; `steadygan resume` goes on from what was saved last"
)
#: `is_held` takes the lock for an instant, which must not look like a writer.
TRIES, PAUSE_SECONDS = 5, 0.02


class BusyError(UserError):
    """Another process holds the lock of a folder."""


def acquire(folder: Path, busy: str) -> int:
    """Take the lock of `folder`; the file descriptor that holds it until it is closed.

    Raises `BusyError` with the message `busy` where another process has it, and `OSError` where
    the lock file cannot be opened.
    """
    handle = os.open(folder / NAME, os.O_RDWR | os.O_CREAT, 0o666)
    for attempt in range(TRIES):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return handle
        except BlockingIOError:
            if attempt < TRIES - 1:
                time.sleep(PAUSE_SECONDS)
        except OSError:
            os.close(handle)
            raise
    os.close(handle)
    raise BusyError(busy)


def is_held(folder: Path) -> bool | None:
    """Whether a process holds the lock of `folder`; None on a file system without locks."""
    return is_locked(folder / NAME)


def is_locked(path: Path) -> bool | None:
    """Whether a process has a flock on a file or a folder, which need not exist; None on a file
    system without locks."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # it may be a FIFO
    except FileNotFoundError:  # never locked, or a copy without its lock file
        return False
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return None
    finally:
        os.close(handle)
    return False


def as_it_stands(folder: Path, facts: dict[str, Any]) -> dict[str, Any]:
    """`facts` of a run.json, with a status that is true now.

    A process that is killed leaves its run "running". Where no process holds the run's lock that
    state becomes "interrupted", with the reason.
    """
    status = facts.get("status")
    if not isinstance(status, dict) or status.get("state") != "running":
        return facts
    if is_held(folder) is not False:
        return facts
    return {**facts, "status": {**status, "state": "interrupted", "reason": INTERRUPTED}}
