"""A worker's own side: fed by its stdin, heard at its stdout, gone with its parent."""

import os
import select
import signal
import sys
import time

import pytest

from steadygan.study import queue

# Python 3.12 warns of forks beside threads; these do nothing that could wait for one.
pytestmark = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")


class Condition:
    """Says on stdout by which signal a worker was told to stop."""

    def handle(self, number, frame):
        os.write(1, f"told to stop by {number}\n".encode())


class Pipes:
    """A worker's stdin, which ends when `feed` is shut, and its stdout, heard at `hear`."""

    def __init__(self):
        self.stdin, self.feed = os.pipe()
        self.hear, self.stdout = os.pipe()
        self.ends = {self.stdin, self.feed, self.hear, self.stdout}

    def shut(self, *ends):
        for end in self.ends.intersection(ends):
            os.close(end)
            self.ends.remove(end)

    def worker(self, then, keeps=()):
        """Fork a process that makes itself a worker and does `then(tell)`; its id."""
        if process := os.fork():
            return process
        try:
            os.dup2(self.stdin, 0)
            os.dup2(self.stdout, 1)
            self.shut(*self.ends.difference(keeps))
            then(queue.fed(Condition()))
        finally:
            os._exit(99)

    def line(self):
        """What is told next; empty where nobody is left to tell."""
        self.shut(self.stdout)
        return os.read(self.hear, 1000).decode()


@pytest.fixture
def pipes():
    made = Pipes()
    yield made
    made.shut(*made.ends)


def exit_code(process):
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def test_a_worker_stops_when_its_stdin_ends_and_is_gone_when_it_cannot(pipes, monkeypatch):
    monkeypatch.setattr(queue, "PATIENCE_SECONDS", 10.1)  # of which it takes all but 10

    def stuck(tell):
        tell({"says": "訓練 caf\udce9"})
        time.sleep(15)

    worker = pipes.worker(stuck)
    assert pipes.line() == '{"says": "訓練 caf?"}\n'
    os.write(pipes.feed, b"x")
    assert not select.select([pipes.hear], [], [], 0.2)[0], "a byte is not the end"
    pipes.shut(pipes.feed)
    assert pipes.line() == "told to stop by 15\n"
    assert exit_code(worker) == 143


@pytest.mark.skipif(sys.platform != "linux", reason="no such signal elsewhere")
def test_a_worker_is_told_that_its_parent_is_gone_though_its_stdin_stays_open(pipes):
    def working(tell):
        signal.signal(signal.SIGTERM, Condition().handle)
        tell({"says": "ready"})
        time.sleep(15)

    if not (parent := os.fork()):
        pipes.worker(working, keeps={pipes.feed})
        time.sleep(15)
        os._exit(99)
    assert "ready" in pipes.line()
    os.kill(parent, signal.SIGKILL)
    assert exit_code(parent) == -signal.SIGKILL
    assert pipes.line() == "told to stop by 15\n"


def test_a_worker_that_nobody_hears_goes_on(pipes):
    def alone(tell):
        tell({"says": "hello"})
        os._exit(0)

    pipes.shut(pipes.hear)
    assert exit_code(pipes.worker(alone)) == 0
