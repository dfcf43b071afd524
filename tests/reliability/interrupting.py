"""Commands whose signals and standard streams are not as they should be, for processes of
`children`: each function runs in one of its own."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from tests.reliability import children


def while_data_is_prepared(words: list[str], cache: str, ready: Path) -> None:
    """Run a command whose data takes a minute to open; `ready` appears when that begins."""
    import steadygan.data

    def slow(*_words: object, **_more: object) -> None:
        ready.touch()
        time.sleep(60)

    steadygan.data.open_data = slow
    children.command(words, cache)


def with_streams(words: list[str], cache: str, out: str, err: str) -> None:
    """Run a command with stdout and stderr each "closed", "full", "unread" or a path."""
    kept = []
    for handle, name, how in ((1, "stdout", out), (2, "stderr", err)):
        if how == "closed":
            os.close(handle)
            setattr(sys, name, None)
            setattr(sys, f"__{name}__", None)
            continue
        if how == "unread":
            reader, target = os.pipe()
            os.close(reader)
        else:
            path = "/dev/full" if how == "full" else how
            target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(target, handle)
        kept.append(target)
    children.command(words, cache)


def with_hangup_ignored(words: list[str], cache: str) -> None:
    """Run a command as `nohup` starts it."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    children.command(words, cache)


def from_a_folder_that_is_gone(words: list[str], cache: str, folder: Path) -> None:
    folder.mkdir()
    os.chdir(folder)
    folder.rmdir()
    children.command(words, cache)
