"""Studies on points in the plane: every run is over in a blink."""

from __future__ import annotations

import pytest

from steadygan.data import open_data
from steadygan.study.plan import Evaluation, Study, entries_of
from steadygan.study.request import read_request
from steadygan.study.work import work
from steadygan.training import checkpoint
from steadygan.training.runfolder import read_facts, read_history
from tests.reliability import games

TINY = {"width": "4", "batch": "8"}


def planned(*words, data="ring", steps=3, seeds=(0,), settings=("log_every=1",), **more):
    """A study of tiny games."""
    request = read_request(settings)
    opened = open_data(data, request.data)
    entries = entries_of(words, opened.shape, TINY)
    evaluation = Evaluation(every="2", draft=100, count=100)
    more = {"device": "cpu", "command": "steadygan compare", "evaluation": evaluation, **more}
    return Study(entries, opened, request, tuple(seeds), steps, None, **more)


def here(out, runs, watch, stop):
    """An engine that works in this process, so that a test can look inside."""
    failures = {}
    for run in runs:
        watch(run, {"begins": True})
        try:
            work(out, run, lambda event, run=run: watch(run, event), stop)
        except Exception as error:
            from steadygan.errors import in_a_line
            from steadygan.training import Stopped

            if isinstance(error, Stopped):
                raise
            failures[run] = in_a_line(error)
        watch(run, {"ends": failures.get(run, ("",))[0]})
    return failures


def same_end(run, reference):
    """Both runs ended in the same state and history, and keep the same best generator."""
    games.same_end(run, reference)
    (ours,), (theirs,) = (checkpoint.listed(path / "best") for path in (run, reference))
    assert ours.name == theirs.name
    assert not games.unlike(*(checkpoint.load(path).tensors for path in (ours, theirs)))
    steps = [line["step"] for line in read_history(run)]
    assert steps == sorted(set(steps))


def status(out, run):
    return read_facts(out / "runs" / run)["status"]


@pytest.fixture
def made():
    """The makers of this file, for tests."""
    from types import SimpleNamespace

    return SimpleNamespace(planned=planned, here=here, status=status, same_end=same_end)
