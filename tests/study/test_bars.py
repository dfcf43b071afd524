"""What a phase says of itself in a terminal and in a pipe."""

import io
import queue
import re
import threading
import types

import pytest
from rich.console import Console
from rich.progress import Progress

from steadygan.study import bars


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test moves by hand."""
    now = types.SimpleNamespace(seconds=100.0)
    monkeypatch.setattr(bars, "time", types.SimpleNamespace(monotonic=lambda: now.seconds))
    return now


def drawn(terminal):
    return Progress(console=Console(file=io.StringIO(), force_terminal=terminal))


def test_a_count_in_a_pipe_is_a_line_after_two_seconds_and_then_every_fifteen(clock, capsys):
    count = bars.counting(drawn(terminal=False), "decoding")
    for seconds, done in ((0, 1), (1.9, 2), (2.1, 3), (16.9, 4), (17.2, 5), (17.3, 10)):
        clock.seconds = 100.0 + seconds
        count(done, 10)
    assert capsys.readouterr().err == "decoding: 3 of 10\ndecoding: 5 of 10\n"
    clock.seconds = 200.0  # counts again, as if anew
    count(1, 10)
    assert capsys.readouterr().err == ""


def test_a_count_in_a_terminal_is_a_bar_that_leaves_when_all_is_done():
    shown = drawn(terminal=True)
    count = bars.counting(shown, "decoding")
    assert shown.tasks == []
    count(3, 10)
    (task,) = shown.tasks
    assert (task.description, task.completed, task.total) == ("decoding", 3, 10)
    count(10, 10)
    assert shown.tasks == []


def test_a_phase_in_a_pipe_is_named_only_where_it_takes_long(monkeypatch):
    lines = queue.Queue()
    monkeypatch.setattr(bars, "line", lines.put)
    monkeypatch.setattr(bars, "SHORT", 0.01)
    with bars.phase(drawn(terminal=False), "writing the report"):
        assert lines.get(timeout=10) == "writing the report"
    assert lines.empty()  # every 15 s, not every .01
    monkeypatch.setattr(bars, "SHORT", 60.0)
    before = set(threading.enumerate())
    with bars.phase(drawn(terminal=False), "writing the report"):
        (thread,) = set(threading.enumerate()) - before
    thread.join(10)
    assert not thread.is_alive()
    assert lines.empty()


def test_a_phase_in_a_terminal_is_a_bar_without_an_end_also_where_it_fails():
    shown, seen = drawn(terminal=True), []

    def fails():
        with bars.phase(shown, "writing the report"):
            seen.extend((task.description, task.total) for task in shown.tasks)
            raise KeyError

    with pytest.raises(KeyError):
        fails()
    assert seen == [("writing the report", None)]
    assert shown.tasks == []


def test_nothing_is_drawn_where_stderr_is_no_terminal(capsys):
    with bars.bars() as progress, bars.phase(progress, "loading torch"):
        bars.counting(progress, "decoding")(1, 2)
    assert re.sub(r"\s", "", capsys.readouterr().err) == ""
