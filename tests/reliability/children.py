"""New processes, in milliseconds: a fork server that has imported everything and run nothing."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from functools import cache
from multiprocessing.process import BaseProcess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: Set where no process needs to wait until the disk has what it wrote; see tests/conftest.py.
NO_SYNC = "STEADYGAN_TESTS_NO_SYNC"
PRELOAD = ["torch._dynamo", "steadygan.cli", "steadygan.report", "steadygan.training",
           "steadygan.data", "steadygan.study.compare", "tests.reliability.games"]  # fmt: skip


@cache
def server() -> multiprocessing.context.BaseContext:
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    return context


def start(function: Callable, *args: object, stderr: Path | None = None) -> BaseProcess:
    """Run `function(*args)` in a new process; what it says goes to the file `stderr`."""
    process = server().Process(target=_call, args=(function, args, stderr), daemon=True)
    process.start()
    return process


def _call(function: Callable, args: tuple, stderr: Path | None) -> None:
    import torch

    torch.set_num_threads(1)
    # A job in the background, or under nohup, hands on that it ignores these.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if NO_SYNC in os.environ:
        os.fsync = lambda file: None
    if stderr is not None:
        handle = os.open(stderr, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(handle, 1)
        os.dup2(handle, 2)
    try:
        function(*args)
    except SystemExit:
        raise
    except BaseException:
        traceback.print_exc()
        raise SystemExit(99) from None


def run(function: Callable, *args: object, folder: Path, limit: float = 120.0) -> int:
    """The exit code of `function(*args)` in a new process; 99 (an uncaught error) fails here."""
    said = folder / "said.txt"
    process = start(function, *args, stderr=said)
    process.join(limit)
    if process.exitcode is None:
        process.kill()
        raise AssertionError(f"{function.__name__} went on for more than {limit} s")
    assert process.exitcode != 99, said.read_text()
    return process.exitcode


def watched(function: Callable, *args: object, said: Path, limit: float) -> tuple[int, float]:
    """The exit code of `function(*args)` in a new process (-9 where `limit` seconds ended it), and
    the longest time in seconds during which it wrote nothing to the file `said`."""
    process = start(function, *args, stderr=said)
    started = spoke = time.monotonic()
    longest, size = 0.0, 0
    while process.exitcode is None:
        process.join(0.05)
        now = time.monotonic()
        grown = said.stat().st_size if said.exists() else 0
        longest = max(longest, now - spoke)
        if grown != size:
            size, spoke = grown, now
        if now - started > limit:
            process.kill()
            process.join()
    return process.exitcode, longest


def command(words: list[str], cache_folder: str) -> None:
    """`steadygan WORDS` in this process, as the command line runs it."""
    import warnings

    warnings.simplefilter("error")
    os.environ["STEADYGAN_CACHE"] = cache_folder
    sys.argv = ["steadygan", *words]
    from steadygan.cli import main

    main()
