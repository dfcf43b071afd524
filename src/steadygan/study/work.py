"""One run of a study: rebuilt from study.json, trained or resumed, then evaluated.

Every engine runs only this, in a process of its own or on another machine; its result is the run
folder.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from steadygan.data import Dataset, DataSettings, open_data
from steadygan.diagnosis.diagnose import conclude
from steadygan.diagnosis.live import with_diagnosis
from steadygan.errors import NonFiniteError, UserError
from steadygan.features.extract import Progress
from steadygan.game.recipe import Recipe
from steadygan.locks import BusyError
from steadygan.methods import find
from steadygan.metrics.reconstruction import judge_stage
from steadygan.records import named_in, read_study
from steadygan.spec import checked
from steadygan.study.followers import followed, following
from steadygan.study.judge import Judge
from steadygan.study.plan import Evaluation, goal_facts, planned, processes_of
from steadygan.study.progress import Pulse
from steadygan.study.request import RunSettings
from steadygan.training import Goal, Hooks, LogSchedule, Stopped, resume, train
from steadygan.training.checkpoint import listed
from steadygan.training.horizon import fitted_to
from steadygan.training.joining import join, leave
from steadygan.training.recorded import recorded_goal, recorded_recipe
from steadygan.training.runfolder import RunFolder, read_facts

#: Called with an event: `{"share": 0.4, "detail": "..."}`, `{"does": "..."}` or `{"says": "..."}`.
Tell = Callable[[dict[str, Any]], None]
Stop = Callable[[], Stopped | None]

#: A process that was asked to stop may still be saving when the study is called again.
PATIENCE_SECONDS = 90.0
#: Seconds between two reports of a run.
OFTEN = 0.5


@dataclass(frozen=True)
class Task:
    """A run of a study as study.json plans it, with its data."""

    path: Path
    facts: dict[str, Any]
    data: Dataset
    recipe: Recipe
    seed: int
    goal: Goal
    settings: RunSettings
    evaluation: Evaluation

    @property
    def processes(self) -> int:
        return processes_of(self.facts)


def task_of(out: Path, run: str, trust_code: bool, say: Callable[[str], None]) -> Task:
    """The run called `run` of the study in `out`; sets the threads of this process."""
    where, facts = out / "study.json", read_study(out)
    entry, seed = planned(facts, run)
    torch.set_num_threads(facts["threads"])
    settings = checked(f"{where}: data_settings", DataSettings, **facts["data_settings"])
    with named_in(f"{where}: data"):
        data = open_data(facts["data"], settings)
    if data.fingerprint != facts["data_used"]["fingerprint"]:
        raise UserError(f"{where}: data: {facts['data']} is not what this study began with")
    goal = recorded_goal(goal_facts(facts, entry))
    evaluation = checked(f"{where}: evaluation", Evaluation, **facts["evaluation"])
    of_run = checked(f"{where}: run_settings", RunSettings, **facts["run_settings"])
    recipe = recorded_recipe(facts["methods"][entry], where, trust_code, say)
    return Task(out / "runs" / run, facts, data, recipe, seed, goal, of_run, evaluation)


def work(out: Path, run: str, tell: Tell, stop: Stop, trust_code: bool = False) -> Path:
    """Train the run called `run` of the study in `out` to its goal, and evaluate it; its folder.
    Where several processes train it, this one starts the others.

    Networks that study.json names as `module:Name` are imported only with `trust_code`. Raises
    `Stopped` with the state saved, `NonFiniteError` for a run that failed now or before,
    `ProcessLostError` where another process of it was lost, and whatever else training raises.
    """

    def say(text: str) -> None:
        tell({"says": text})

    def bar(name: str) -> Progress:
        def going_on(done: int, total: int) -> None:
            if (stopped := stop()) is not None:
                raise stopped
            tell({"detail": f"judging, {name}: {done:,} of {total:,}"})

        return going_on

    task = task_of(out, run, trust_code, say)
    path, goal = task.path, task.goal
    judge = Judge(task.data, task.evaluation, say, bar, task.facts["device"], trust_code)
    status = status_of(path)
    if status.get("state") == "failed" and status.get("exit_code", 3) == 3:
        raise NonFiniteError(status.get("reason", ""))
    if status.get("state") != "finished":
        pulse = Pulse(goal, lambda share, detail: tell({"share": share, "detail": detail}), OFTEN)
        plain = Hooks(pulse, stop, on_stage=judge_stage, evaluate=judge.evaluator(goal))
        hooks = with_diagnosis(plain, goal, say)
        until_free(path)
        try:
            with followed(out, run, task.processes, stop, trust_code):
                train_or_resume(task, hooks, say)
        except NonFiniteError:
            conclude(path)
            raise
        conclude(path)
    elif read_facts(path).get("diagnosis") is None:  # it was killed before
        conclude(path)
    if not is_judged(path, task.evaluation.count):
        judge.finished(path)
    return path


def follow(out: Path, run: str, stop: Stop, trust_code: bool = False) -> None:
    """Be one of the other processes of a run, which `work` has started."""

    def silent(text: str) -> None:
        """The first process says it."""

    with following() as ready:
        task = task_of(out, run, trust_code, silent)
        ready()
        train_or_resume(task, Hooks(stop=stop), silent)
        leave()


def train_or_resume(task: Task, hooks: Hooks, say: Callable[[str], None]) -> None:
    """Train a run to its goal with all its processes, each of which calls this."""
    processes, device = join(task.facts["device"])
    if processes.most(bool(listed(task.path / "checkpoints")))[0]:
        recipe = task.recipe
        if task.settings.horizon == "budget":  # fitted when the run began
            horizon = read_facts(task.path)["recipe"]["horizon_images"]
            recipe = recipe.changed(horizon_images=horizon)
        resume(task.path, recipe=recipe, data=task.data, hooks=hooks, say=say)
    else:
        start(task, device, hooks)


def start(task: Task, device: str, hooks: Hooks) -> None:
    """Train a run of the study from its beginning."""
    recipe, settings, goal, facts = task.recipe, task.settings, task.goal, task.facts
    budget = goal.budget_seconds
    if settings.horizon == "budget":
        given = settings.precision, settings.exact, settings.graphs
        recipe = fitted_to(recipe, task.data, goal, device, *given)
    train(
        recipe,
        task.data,
        out=task.path,
        steps=goal.steps,
        budget_minutes=None if budget is None else budget / 60,
        seed=task.seed,
        device=device,
        precision=settings.precision,
        exact=settings.exact,
        graphs=settings.graphs,
        schedule=LogSchedule(
            **{name: getattr(settings, name) for name in LogSchedule.model_fields}
        ),
        hooks=hooks,
        command=facts.get("command", ""),
        title=find(recipe.method).title if recipe.method else "",
    )


def status_of(path: Path) -> dict[str, Any]:
    """The status of a run in its run.json; empty where it has not begun."""
    return (read_facts(path).get("status") or {}) if (path / "run.json").exists() else {}


def is_done(path: Path, count: int) -> bool:
    """Whether nothing is left to do: the run is finished and evaluated on `count` samples, or
    failed and is not repeated."""
    status = status_of(path)
    if status.get("state") == "failed":
        return status.get("exit_code", 3) == 3
    return status.get("state") == "finished" and is_judged(path, count)


def is_judged(path: Path, count: int) -> bool:
    """Whether `count` samples of the run's last step have been evaluated. `steadygan resume` of a
    run by itself measures as many as during training, which are fewer."""
    facts = read_facts(path)
    step = (facts.get("status") or {}).get("step")
    if step is None or facts.get("judged_step") != step:
        return False
    quality = (facts.get("measures") or {}).get("quality")
    return not isinstance(quality, dict) or quality.get("count") == count


def until_free(path: Path, seconds: float = PATIENCE_SECONDS) -> None:
    """Wait for a process that still holds the run's lock, such as one that is saving."""
    end = time.monotonic() + seconds
    while (path / "run.json").exists():
        try:
            RunFolder.open(path).close()
            return
        except BusyError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


def mark_failed(path: Path, reason: str, code: int) -> None:
    """Record in run.json why a run failed whose own process could not; not for a run that another
    process is writing, which has not ended, nor for one that failed for good. The reason of an
    earlier failure gives way to that of now."""
    status = status_of(path)
    for_good = status.get("state") == "failed" and status.get("exit_code", 3) == 3
    if not status or status.get("state") == "finished" or for_good:
        return
    with suppress(BusyError), RunFolder.open(path) as folder:
        folder.update_facts(
            status={**status, "state": "failed", "reason": reason, "exit_code": code}
        )
