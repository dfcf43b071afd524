"""Try what a diagnosis advises: the same run with each change, and what became of it.

A trial has the data, the seed and the goal of the run, or a share of it, in a folder of its own, so
that an interrupted one is resumed. It is compared with the run at the same number of steps.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steadygan.data import Dataset
from steadygan.diagnosis.advice import changed
from steadygan.diagnosis.diagnose import conclude, diagnose
from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Advice
from steadygan.diagnosis.live import with_diagnosis
from steadygan.errors import NonFiniteError, UserError
from steadygan.game.recipe import Recipe
from steadygan.training import Goal, Hooks, resume, train
from steadygan.training.checkpoint import listed
from steadygan.training.recorded import recorded_data, recorded_goal, recorded_recipe
from steadygan.training.runfolder import read_facts

#: Called with a name and a goal: a context that gives the hooks of a run (its bar, its stop).
Watched = Callable[[str, Goal], AbstractContextManager[Hooks]]

#: A distance of samples that is at most this share of the run's is better.
BETTER = 0.75


@dataclass(frozen=True)
class Trial:
    """One piece of advice, tried: what it came to in a word (good again, better, no change, worse,
    or failed), and how far samples were from real ones with and without it, at the same step."""

    settings: str
    folder: Path
    outcome: str
    way: float | None
    before: float | None

    def __str__(self) -> str:
        ways = ["unknown" if way is None else f"{way:.2f}" for way in (self.before, self.way)]
        return f"{self.outcome}: {self.settings} (way to noise {ways[0]} -> {ways[1]})"


def advised(run: Path, most: int) -> list[Advice]:
    """The first `most` changes that the run's diagnosis advises and that can be typed."""
    found = diagnose(run)
    findings = [f for f in (found.headline, *found.others) if f is not None]
    every = [advice for finding in findings for advice in finding.advice if advice.settings]
    return list({advice.settings: advice for advice in every}.values())[:most]


def unwatched(_name: str, _goal: Goal) -> AbstractContextManager[Hooks]:
    """No bar."""
    return nullcontext(Hooks())


def trials(
    run: Path, most: int, share: float, say: Callable[[str], None], trust_code: bool = False,
    watched: Watched = unwatched, budget_minutes: float | None = None,
) -> Iterator[Trial]:  # fmt: skip
    """Try the first `most` pieces of advice about a run, one after the other, each for `share` of
    its steps, or for as many as the run made in its share of `budget_minutes` in all, in RUN-try/.
    Raises `UserError` where there is nothing to try."""
    facts = read_facts(run)
    every = advised(run, most)
    if not every:
        raise UserError(f"{run}: its diagnosis advises no change that can be tried")
    recipe = recorded_recipe(facts["recipe"], run / "run.json", trust_code, say)
    data = recorded_data(facts, run)
    evidence = Evidence.of_run(run)
    recorded = recorded_goal(facts["goal"])
    whole = recorded.steps or evidence.steps
    steps = max(1, round(share * whole))
    if budget_minutes is not None:
        steps = affordable(facts, budget_minutes * 60 / len(every), run)
    for advice in every:
        try:
            new = changed(recipe, advice.settings)
        except UserError as error:  # a recipe with code of its own is read only here
            say(f"{advice.settings} is not tried: {error}")
            continue
        name = re.sub(r"[^\w.=-]+", "-", advice.settings).strip("-")
        folder = run.with_name(f"{run.name}-try") / name
        say(f"trying {advice.settings} for {steps:,} steps: {advice.why}")
        with watched(advice.settings, Goal(steps=steps)) as hooks:
            ended = finished(folder, new, data, steps, facts, say, hooks)
        yield compared(folder, advice.settings, evidence, steps, failed=not ended)


def affordable(facts: dict[str, Any], seconds: float, run: Path) -> int:
    """The steps that a run made in `seconds`. Raises `UserError` where it made none."""
    status = facts.get("status") or {}
    done, taken = status.get("step") or 0, status.get("seconds") or 0.0
    if not done or not taken:
        raise UserError(f"{run}: --budget needs the speed of the run, and it made no step")
    return max(1, round(seconds * done / taken))


def finished(
    folder: Path, recipe: Recipe, data: Dataset, steps: int, facts: dict[str, Any],
    say: Callable[[str], None], hooks: Hooks,
) -> bool:  # fmt: skip
    """Train a trial to its end, or from where it was cut off; False where its numbers stopped being
    finite."""
    hooks = with_diagnosis(hooks, Goal(steps=steps), say)
    try:
        if listed(folder / "checkpoints"):
            resume(folder, recipe=recipe, data=data, steps=steps, hooks=hooks, say=say)
        else:
            train(recipe, data, out=folder, steps=steps, seed=facts["seed"],
                  device=facts["device"], precision=facts["precision"], hooks=hooks)  # fmt: skip
    except NonFiniteError as error:
        say(str(error))
        return False
    conclude(folder)
    return True


def compared(folder: Path, settings: str, before: Evidence, steps: int, failed: bool) -> Trial:
    """What a trial came to beside the run at the same step."""
    if failed:
        return Trial(settings, folder, "failed", None, None)
    after = Evidence.of_run(folder)
    key = "ema_way" if after.series("ema_way") else "way"
    theirs = [value for step, value in before.series(key) if step <= steps]
    now, then = after.last(key), theirs[-1] if theirs else before.last(key)
    if now is None or then is None:
        outcome = "no change"
    elif after.is_good:
        outcome = "good again"
    elif now <= BETTER * then:
        outcome = "better"
    else:
        outcome = "worse" if now * BETTER > then else "no change"
    return Trial(settings, folder, outcome, now, then)
