"""The local queue: some runs at a time, each in a fresh process that ends with this one.

A worker is `steadygan work OUT RUN --fed`. It reports events on its stdout, one JSON line each, and
stops with its state saved when its stdin closes: so it ends at most one iteration after this
process, whatever ends that.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import IO, Any

from steadygan.errors import UserError
from steadygan.game.processes import ProcessLostError
from steadygan.study.work import Stop, status_of
from steadygan.training import Stopped

#: Called with a run and an event; see `progress.StudyBars`.
Watch = Callable[[str, dict[str, Any]], None]
#: Works on runs of a study; the reasons of those that failed. Raises `Stopped` when asked to stop.
Engine = Callable[[Path, list[str], Watch, Stop], dict[str, "Failure"]]
#: Why a run failed, and its exit code.
Failure = tuple[str, int]

#: A worker that is killed (for memory or by hand), or that lost another process of its run, is
#: restarted at most this many times.
RETRIES = 2
#: A worker that was asked to stop has this long to save; it ends itself before.
PATIENCE_SECONDS = 90.0
MARK = "steadygan: "


class Worker:
    """A process that works on one run."""

    def __init__(self, out: Path, run: str, events: SimpleQueue, trust_code: bool = False) -> None:
        self.run, self.events = run, events
        trust = ["--trust-code"] * trust_code
        self.errors: deque[str] = deque(maxlen=20)
        self.stopping: float | None = None
        self.path = out / "runs" / run
        self.before = _status_of(self.path)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "steadygan", "work", str(out), run, "--fed", *trust],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C reaches this process alone, which stops its workers
        )  # fmt: skip
        self.readers = [
            threading.Thread(target=self._read, args=(pipe, taken), daemon=True)
            for pipe, taken in (
                (self.process.stdout, self._told),
                (self.process.stderr, self._said),
            )
        ]
        for reader in self.readers:
            reader.start()

    def _read(self, pipe: IO[bytes], taken: Callable[[str], None]) -> None:
        for line in pipe:
            taken(line.decode(errors="replace").rstrip())

    def _told(self, line: str) -> None:
        try:
            event = json.loads(line)
        except ValueError:
            event = {"says": line}  # printed by other code
        self.events.put((self.run, event if isinstance(event, dict) else {"says": line}))

    def _said(self, line: str) -> None:
        self.errors.append(line)
        if line and not line.startswith(MARK):  # an error is reported when the run ends
            self.events.put((self.run, {"says": line}))

    def stop(self) -> None:
        """Ask it to save and end."""
        if self.stopping is None:
            self.stopping = time.monotonic()
            assert self.process.stdin is not None
            self.process.stdin.close()

    def ended(self) -> int | None:
        """Its exit code once it has ended and its output is read; kills it after
        `PATIENCE_SECONDS`."""
        late = self.stopping is not None and time.monotonic() > self.stopping + PATIENCE_SECONDS
        if late and self.process.poll() is None:
            self.process.kill()
        if self.process.poll() is None:
            return None
        self._end_its_own()
        for reader in self.readers:
            reader.join()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()
        return self.process.returncode

    def _end_its_own(self) -> None:
        """End processes that it left behind, which would keep its stdout open."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def failure(self) -> Failure:
        """Why it failed: by its run folder, unless that tells of an earlier failure, or by its last
        output."""
        code, status = self.process.returncode, _status_of(self.path)
        if status.get("state") == "failed" and code > 0 and status != self.before:
            return str(status.get("reason", "")), code
        if code < 0:
            return f"its process was killed by {signal.Signals(-code).name}", 128 - code
        marked = [line for line in self.errors if line.startswith(MARK)]
        said = marked or list(self.errors) or [f"its process ended with exit code {code}"]
        return said[-1].removeprefix(MARK), code


def _status_of(path: Path) -> dict[str, Any]:
    """The status of a run; empty where its run.json is damaged, which the worker tells."""
    try:
        return status_of(path)
    except UserError:
        return {}


def local(jobs: int = 1, trust_code: bool = False) -> Engine:
    """The engine that works on `jobs` runs at a time on this machine; `trust_code`: see `work`."""

    def engine(out: Path, runs: list[str], watch: Watch, stop: Stop) -> dict[str, Failure]:
        return _Queue(out, runs, watch, stop, trust_code).through(jobs)

    return engine


class _Queue:
    def __init__(
        self, out: Path, runs: list[str], watch: Watch, stop: Stop, trust_code: bool
    ) -> None:
        self.out, self.watch, self.stop, self.trust_code = out, watch, stop, trust_code
        self.waiting = deque(runs)
        self.working: dict[str, Worker] = {}
        self.tries: dict[str, int] = {}
        self.failures: dict[str, Failure] = {}
        self.events: SimpleQueue = SimpleQueue()

    def through(self, jobs: int) -> dict[str, Failure]:
        stopped: Stopped | None = None
        try:
            while self.working or (self.waiting and stopped is None):
                if stopped is None and (stopped := self.stop()) is not None:
                    for worker in self.working.values():
                        worker.stop()
                while stopped is None and self.waiting and len(self.working) < jobs:
                    self._start(self.waiting.popleft())
                self._pass_on()
                self._reap(stopped)
        finally:
            self._end_all()
        if stopped is not None:
            raise stopped
        return self.failures

    def _start(self, run: str) -> None:
        if run not in self.tries:
            self.watch(run, {"begins": True})
        self.tries[run] = self.tries.get(run, 0) + 1
        self.working[run] = Worker(self.out, run, self.events, self.trust_code)

    def _pass_on(self, wait: float = 0.1) -> None:
        """Forward the workers' events; waits up to `wait` seconds for the first."""
        while True:
            try:
                run, event = self.events.get(timeout=wait)
            except Empty:
                return
            self.watch(run, event)
            wait = 0.001

    def _reap(self, stopped: Stopped | None) -> None:
        for run, worker in list(self.working.items()):
            if (code := worker.ended()) is None:
                continue
            self._pass_on(wait=0.0)  # its last events
            del self.working[run]
            if stopped is not None:
                continue  # it has saved, or will resume from its last checkpoint
            if code == 0:
                self.watch(run, {"ends": ""})
                continue
            reason, code = worker.failure()
            lost = worker.process.returncode < 0 or code == ProcessLostError.exit_code
            if lost and self.tries[run] <= RETRIES:
                self.watch(run, {"says": f"{reason}; going on from its last checkpoint"})
                self._start(run)
                continue
            self.failures[run] = (reason, code)
            self.watch(run, {"ends": reason})

    def _end_all(self) -> None:
        """On an error of our own: no worker stays behind."""
        for worker in self.working.values():
            worker.stop()
        while any(worker.ended() is None for worker in self.working.values()):
            time.sleep(0.05)


# ---- the worker's side -------------------------------------------------------------------------


def fed(stop: Any) -> Callable[[dict[str, Any]], None]:
    """Make this process a worker: it stops, as by SIGTERM, when its stdin ends, and with the
    process that started it. Returns a function that sends an event to that process."""
    _die_with_parent()
    threading.Thread(target=_until_stdin_ends, args=(stop,), daemon=True).start()

    def tell(event: dict[str, Any]) -> None:
        line = json.dumps(event, ensure_ascii=False) + "\n"
        try:
            os.write(1, line.encode(errors="replace"))
        except OSError:  # the reader is gone, and stdin closes too
            return

    return tell


def _until_stdin_ends(stop: Any) -> None:
    while os.read(0, 4096):
        pass
    stop.handle(signal.SIGTERM, None)
    time.sleep(PATIENCE_SECONDS - 10.0)
    os._exit(143)


def _die_with_parent() -> None:
    """Linux: SIGTERM when the parent is gone, so that even a blocked stdin leaves no orphan."""
    if sys.platform == "linux":
        import ctypes

        pdeathsig = 1  # of sys/prctl.h
        ctypes.CDLL(None, use_errno=True).prctl(pdeathsig, signal.SIGTERM)
