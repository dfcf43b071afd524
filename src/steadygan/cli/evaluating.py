"""How `train` and `resume` evaluate a run: during training, and at its end."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steadygan.cli.options import say

if TYPE_CHECKING:
    from steadygan.data import Dataset
    from steadygan.study.judge import Judge
    from steadygan.training import Goal, Trainer

    Evaluate = Callable[[Trainer], dict[str, Any] | None]

#: Seconds of a budget from which `train` evaluates by default.
LEAST_EVALUATED = 120


def default_schedule(goal: Goal) -> str | None:
    """When a run is evaluated where nothing is said: short ones and those of so many steps, whose
    time is not known, are not."""
    seconds = goal.budget_seconds
    return "auto" if seconds is not None and seconds >= LEAST_EVALUATED else None


def default_count(data: Dataset, features: str) -> int:
    """Samples of an evaluation during training. By a network of photographs, which is larger than
    a classifier of the data, as many as its 1,280 feature dimensions want for a Frechet distance
    and not many more: it is most of what an evaluation takes. Where there are too few real images
    for that distance and its level (`Reference.no_level`), so many as the energy distance does
    with, and no more than there are images."""
    unlabelled = len(data.shape) == 3 and data.classes < 2
    photographs = features.startswith("effnet") or (features == "auto" and unlabelled)
    if not photographs:
        return 2000
    images = len(data.train.items)
    return 1500 if images >= 2 * 1280 + 2 else max(50, min(images, 750))


def judge_of(
    data: Dataset, every: str | None, device: str, trust_code: bool, **settings: Any
) -> Judge | None:
    """What evaluates a run, during training and at its end on as many samples; None where `every`
    is None. `trust_code`: see `load_generator`."""
    from steadygan.study.judge import Judge
    from steadygan.study.plan import Evaluation

    if every is None:
        return None
    evaluation = Evaluation(every=every, **settings)
    as_many = evaluation.model_copy(update={"count": evaluation.draft})
    return Judge(data, as_many, say, device=device, trust_code=trust_code)


def judge_before(facts: dict[str, Any], run: Path, trust_code: bool) -> Judge | None:
    """What evaluated a run before; None where it was not evaluated during training."""
    from steadygan.records import named_in
    from steadygan.training.recorded import recorded_data
    from steadygan.training.runs import device_or_auto

    known = facts.get("evaluation")
    if not known:
        return None
    data, device = recorded_data(facts, run), device_or_auto(facts["device"])
    given = {"draft": known["count"], "features": known.get("features") or "auto",
             "weights": known.get("weights")}  # fmt: skip
    with named_in(f"{run / 'run.json'}: evaluation"):
        return judge_of(data, known.get("every") or "auto", device, trust_code, **given)


def hook_of(judge: Judge | None, goal: Goal) -> Evaluate:
    """The `evaluate` hook of a run; it does nothing without a judge."""
    from steadygan.study.bars import bars, counting

    if judge is None:
        return lambda trainer: None
    with bars() as progress:
        judge.bar = partial(counting, progress)
        return judge.evaluator(goal)


def measure(judge: Judge | None, run: Path) -> None:
    """Measure the samples of a run that is done, and write its report again; without a judge,
    nothing. A signal ends it, and leaves the run with the report that it has."""
    from steadygan.report import write_report
    from steadygan.study.bars import bars, counting, phase

    if judge is None:
        return
    with bars() as progress:
        judge.bar = partial(counting, progress)
        judge.measured(run)
        with phase(progress, "writing the report"):
            write_report(run)
