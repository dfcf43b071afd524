"""Image files below a folder, decoded by processes of their own (worker.py).

Pillow releases Python's lock only while it unpacks pixels; of a small picture most of the time is
spent in Python, so that threads wait for each other.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue

import numpy as np

from steadygan.data.attempt import Decoded, from_plain
from steadygan.data.scan import Found

FEWEST = 20_000  # images that are worth the seconds that processes take to start
_BLOCK = 256  # images sent at once, fewer where they take more than
_BYTES = 2**23  # of pixels


class Worker:
    """A process that decodes. Every method raises OSError where it has ended."""

    def __init__(self, root: Path, shape: tuple[int, int, int], white: int) -> None:
        self.shape = shape
        self._process = subprocess.Popen(
            [sys.executable, "-m", "steadygan.data.worker"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            # What is imported here is imported there, and nothing of the working folder.
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                 "PYTHONSAFEPATH": "1"},
        )  # fmt: skip
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._to, self._from = self._process.stdin, self._process.stdout
        self._say([str(root), *shape[:2], white])

    def decode(self, found: Sequence[Found]) -> list[Decoded | None]:
        """The result of each; none for a picture so large that one thread has to decode it."""
        self._say([[each.name, each.stamp] for each in found])
        line = self._from.readline()
        if not line.endswith(b"\n"):
            raise OSError("a process that decodes has ended")
        return [None if value is None else self._result(value) for value in json.loads(line)]

    def _say(self, words: list) -> None:
        self._to.write(json.dumps(words).encode() + b"\n")
        self._to.flush()

    def _result(self, value: list) -> Decoded:
        got = from_plain(value)
        if got.reason:
            return got
        data = self._from.read(math.prod(self.shape))
        if len(data) < math.prod(self.shape):
            raise OSError("a process that decodes has ended")
        return got._replace(pixels=np.frombuffer(data, np.uint8).reshape(self.shape))

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._from.close()
        with suppress(OSError):  # what was left to write has no reader any more
            self._to.close()


def decoded_by_processes(
    root: Path,
    found: Sequence[Found],
    shape: tuple[int, int, int],
    white: int,
    count: int,
    otherwise: Callable[[Found], Decoded],
) -> Iterator[list[Decoded]]:
    """Blocks of the results of `found`, in order, from `count` processes.

    `otherwise` decodes here what they leave: large pictures, and everything once one has ended.
    """
    idle: SimpleQueue[Worker | None] = SimpleQueue()
    size = max(1, min(_BLOCK, _BYTES // math.prod(shape)))

    def one(block: Sequence[Found]) -> list[Decoded]:
        worker, results = idle.get(), None
        try:
            if worker is not None:
                with suppress(OSError):
                    results = worker.decode(block)
        finally:
            idle.put(worker)
        results = results or [None] * len(block)
        return [got or otherwise(each) for each, got in zip(block, results, strict=True)]

    workers = [_started(root, shape, white) for _ in range(count)]
    for worker in workers:
        idle.put(worker)
    # Twice as many blocks as processes: each finds its next one while its last is written.
    ahead: deque[Future[list[Decoded]]] = deque()
    try:
        with ThreadPoolExecutor(max_workers=count) as pool:
            try:
                for start in range(0, len(found), size):
                    ahead.append(pool.submit(one, found[start : start + size]))
                    if len(ahead) > 2 * count:
                        yield ahead.popleft().result()
                while ahead:
                    yield ahead.popleft().result()
            finally:
                for future in ahead:
                    future.cancel()
    finally:
        for worker in workers:
            if worker is not None:
                worker.close()


def _started(root: Path, shape: tuple[int, int, int], white: int) -> Worker | None:
    """None where there is no memory for a process, or it cannot be started."""
    with suppress(OSError):
        return Worker(root, shape, white)
    return None
