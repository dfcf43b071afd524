"""A training that a command follows: progress, trackers, diagnosis, and the report of its end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from steadygan.cli.evaluating import measure
from steadygan.cli.options import reported_if_it_stops, say

if TYPE_CHECKING:
    from steadygan.cli.evaluating import Evaluate
    from steadygan.diagnosis.finding import Diagnosis
    from steadygan.study.judge import Judge
    from steadygan.training import Goal, Hooks, StopAsked


@dataclass
class Followed:
    """The hooks of a training, and what its run's end is concluded to be: in the first process."""

    hooks: Hooks
    conclusion: Diagnosis | None = None
    report: Path | None = None


@contextmanager
def follow(
    out: Path, name: str, goal: Goal, evaluate: Evaluate, stop: StopAsked,
    track: list[str] | None, stop_on_fault: bool,
) -> Iterator[Followed]:  # fmt: skip
    """Gives the hooks of a training that the command follows: progress, trackers, the live report
    and the diagnosis; the report of one that is stopped, and of one that is done. The first of
    several processes does all that, the others listen to signals."""
    from steadygan.diagnosis.diagnose import conclude
    from steadygan.diagnosis.live import with_diagnosis
    from steadygan.metrics.reconstruction import judge_stage
    from steadygan.report import write_report
    from steadygan.study.bars import bars, phase
    from steadygan.study.progress import RunBar
    from steadygan.tracking import Follower, LiveReport, Reader, tracker
    from steadygan.training import Hooks
    from steadygan.training.joining import here

    if not here().first:
        with stop.listening():
            yield Followed(Hooks(stop=stop))
        return
    readers: list[Reader] = [LiveReport(), *map(tracker, track or ())]
    with (
        stop.listening(),
        bars() as progress,
        reported_if_it_stops(out),
        RunBar(progress, name, goal) as bar,
        Follower(readers, bar, say) as follower,
    ):
        plain = Hooks(follower, stop, judge_stage, evaluate)
        followed = Followed(with_diagnosis(plain, goal, say, stop_on_fault))
        yield followed
        with phase(progress, "writing the report"):
            followed.conclusion = conclude(out)
            followed.report = write_report(out)  # a signal that comes now finds the run done


def say_how_it_stands(judge: Judge | None, run: Path, followed: Followed) -> None:
    """Measure a run that is done and say how it stands; its report's path is the result."""
    from steadygan.diagnosis.diagnose import first_line
    from steadygan.training.joining import leave

    if followed.conclusion is not None:
        measure(judge, run)
        say(first_line(followed.conclusion))
        print(followed.report)
    leave()
