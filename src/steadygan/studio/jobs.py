"""Training as processes of their own: one at a time, in the order in which they were asked for.

A job is a `steadygan` command with its log. It is in a session of its own, so it outlives the app;
what is waiting and running is in `.studio/jobs.json` of the folder, so an app that starts again
finds it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from steadygan.errors import UserError
from steadygan.files import json_text, write_whole

#: Jobs that wait at most, and that are remembered when they have ended.
MOST = 50
#: Lines of a log that are shown.
TAIL = 12


@dataclass
class Job:
    """`words` after `steadygan`; `run`: the folder that it writes, below the root. `state`:
    waiting, running or ended."""

    number: int
    words: list[str]
    run: str
    state: str = "waiting"
    pid: int = 0

    @property
    def command(self) -> str:
        return shlex.join(["steadygan", *self.words])


@dataclass
class Jobs:
    """The queue of a folder. `advance` is called now and then, and starts what is next."""

    root: Path
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _children: dict[int, subprocess.Popen] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        return self.root / ".studio"

    def all(self) -> list[Job]:
        try:
            found = json.loads((self.home / "jobs.json").read_text(encoding="utf-8"))
            return [Job(**each) for each in found]
        except (OSError, ValueError, TypeError):
            return []

    def submit(self, words: Sequence[str], run: str) -> Job:
        """Put a command at the end of the queue. Raises UserError where too many wait."""
        with self._lock:
            jobs = self.all()
            if sum(job.state == "waiting" for job in jobs) >= MOST:
                raise UserError(f"{MOST} trainings wait already: let some end first")
            job = Job(max((each.number for each in jobs), default=0) + 1, list(words), run)
            ended = [each.number for each in jobs if each.state == "ended"][:-MOST]
            self._keep([*(each for each in jobs if each.number not in ended), job])
        self.advance()
        return job

    def advance(self) -> list[Job]:
        """Notice what has ended, start what is next; all jobs."""
        with self._lock:
            jobs, changed = self.all(), False
            for job in jobs:
                if job.state == "running" and not self._alive(job):
                    job.state, changed = "ended", True
            if not any(job.state == "running" for job in jobs):
                waiting = next((job for job in jobs if job.state == "waiting"), None)
                if waiting is not None:
                    self._start(waiting)
                    changed = True
            if changed:
                self._keep(jobs)
            return jobs

    def go_on(self, seconds: float) -> None:
        """`advance` every so many seconds for ever, whether a page is open or not."""
        while True:
            with contextlib.suppress(UserError, OSError):  # a full disk: later
                self.advance()
            time.sleep(seconds)

    def stop(self, number: int) -> None:
        """End a running job, which saves its state first, or take a waiting one away."""
        with self._lock:
            jobs = self.all()
            for job in jobs:
                if job.number == number and job.state == "running" and self._alive(job):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(job.pid, signal.SIGINT)
                elif job.number == number and job.state == "waiting":
                    job.state = "ended"
            self._keep(jobs)

    def log(self, job: Job) -> str:
        """The end of what a job has printed."""
        try:
            text = self._log_of(job).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-TAIL:])

    def _log_of(self, job: Job) -> Path:
        return self.home / f"job-{job.number}.log"

    def _start(self, job: Job) -> None:
        self.home.mkdir(exist_ok=True)
        with open(self._log_of(job), "wb") as log:
            child = subprocess.Popen(
                [sys.executable, "-m", "steadygan", *job.words], cwd=self.root, stdout=log,
                stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        self._children[child.pid] = child
        job.state, job.pid = "running", child.pid

    def _alive(self, job: Job) -> bool:
        """Whether the job's process is there, and is that job's: numbers are used again."""
        if job.pid in self._children:
            return self._children[job.pid].poll() is None
        try:
            said = Path(f"/proc/{job.pid}/cmdline").read_bytes().split(b"\0")
            return b"steadygan" in said and all(word.encode() in said for word in job.words)
        except FileNotFoundError:
            if Path("/proc").is_dir():
                return False
        try:  # no /proc here
            os.kill(job.pid, 0)
        except OSError:
            return False
        return True

    def _keep(self, jobs: Sequence[Job]) -> None:
        self.home.mkdir(exist_ok=True)
        write_whole(self.home / "jobs.json", json_text([asdict(job) for job in jobs]))
