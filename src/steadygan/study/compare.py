"""Compare methods: runs over methods and seeds under one budget, in one folder with one table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from steadygan.errors import StudyError
from steadygan.features.extract import Progress, quiet
from steadygan.game.microbatches import require_pieces
from steadygan.metrics.evaluate import Bar
from steadygan.networks.base import without_memory
from steadygan.records import named_in
from steadygan.study.judge import Judge
from steadygan.study.plan import Study, alone, begin, in_turn
from steadygan.study.queue import Engine, Failure, Watch, local
from steadygan.study.work import Stop, is_done, mark_failed, status_of
from steadygan.training.loop import require_shares
from steadygan.training.runs import require_fit


def _nothing() -> None:
    return None


@dataclass
class StudyHooks:
    """What the caller adds: an engine, progress of the runs, a reason to stop, messages."""

    engine: Engine = field(default_factory=local)
    watching: Callable[[int, int], Watch] = lambda runs, done: lambda run, event: None
    stop: Stop = _nothing
    say: Callable[[str], None] = print
    #: Progress of what is prepared for all runs, by its name.
    bar: Bar = lambda name: quiet
    #: Why runs failed, by name, once the study is over.
    failed: dict[str, str] = field(default_factory=dict)


def run_study(study: Study, out: Path, hooks: StudyHooks) -> Path:
    """Work on every run that is not done; a failed run is a result, not the end of the study.

    Called again with the same study it resumes where it was interrupted. Raises `UserError` before
    anything is written where an entry does not fit the data, and `Stopped` with every run's state
    saved. `raise_if_failed` ends a study with failed runs.
    """
    require_fits(study)
    with alone(out):
        facts = begin(study, out)
        names = in_turn(facts)
        count = study.evaluation.count
        waiting = [name for name in names if not is_done(out / "runs" / name, count)]
        if waiting:
            _bring_to_end(study, out, waiting, len(names), hooks)
    for name in set(names) - set(waiting):
        if (status := status_of(out / "runs" / name)).get("state") == "failed":
            hooks.failed[name] = status.get("reason", "")
    hooks.failed = {name: hooks.failed[name] for name in names if name in hooks.failed}
    return out


def _bring_to_end(
    study: Study, out: Path, waiting: list[str], runs: int, hooks: StudyHooks
) -> None:
    """Work on the runs that wait, out of `runs` in all, and keep why some failed."""
    prepare(study, hooks)
    watch = hooks.watching(runs, runs - len(waiting))
    failures = hooks.engine(out, waiting, watch, hooks.stop)
    note(out, failures)
    hooks.failed |= {name: reason for name, (reason, _) in failures.items()}


def require_fits(study: Study) -> None:
    """Raise `UserError` where an entry cannot be trained on the data, or not by the processes."""
    for entry in study.entries:
        require_fit(entry.recipe, study.data)
        with named_in(entry.name):
            require_shares(entry.recipe, study.processes)
            if entry.recipe.microbatch is not None:
                with without_memory():
                    built = entry.recipe.build(study.data.shape, study.data.classes)
                require_pieces(entry.recipe, built.values())


def prepare(study: Study, hooks: StudyHooks) -> None:
    """What all runs need is made once, before they start: the classifier, the real features.

    Raises `Stopped` as soon as that is asked for.
    """

    def bar(name: str) -> Progress:
        count = hooks.bar(name)

        def going_on(done: int, total: int) -> None:
            if (stopped := hooks.stop()) is not None:
                raise stopped
            count(done, total)

        return going_on

    Judge(study.data, study.evaluation, hooks.say, bar, study.device).prepare()


def note(out: Path, failures: dict[str, Failure]) -> None:
    """Record the reasons that the runs' own processes could not record."""
    for name, (reason, code) in failures.items():
        mark_failed(out / "runs" / name, reason, code)


def raise_if_failed(hooks: StudyHooks) -> None:
    """End a study with failed runs: exit code 5, with each reason."""
    if hooks.failed:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in hooks.failed.items())
        raise StudyError(f"{len(hooks.failed)} run(s) failed: {reasons}")
