"""Evaluation during training: when a run draws samples, and what it keeps of the best.

An `Evaluator` is the hook `evaluate` of a run. It changes no weight and no random stream, its time
is not training time, and all that it needs to resume is in the run folder.
"""

from __future__ import annotations

import math
import re
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from steadygan.errors import UserError
from steadygan.stability.curve import distance_in
from steadygan.stability.signals import number
from steadygan.training import Goal, Trainer, checkpoint, pictures
from steadygan.training.runfolder import read_facts, read_history

#: Samples an evaluation draws: few, since evaluations are frequent.
COUNT = 2000
#: What `auto` asks for: a twentieth of the goal, and at most a tenth of the training time.
AUTO_SHARE, AUTO_COST = 0.05, 0.1
#: So many evaluations of a run show its course; where `auto` cannot afford them it says so.
FEW = 7
BATCH = 250
UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}

#: Measures samples (N, ...) as networks give them: flat names and numbers, a distance among them.
Measure = Callable[[Tensor], Mapping[str, float | None]]


@dataclass(frozen=True)
class Schedule:
    """When to evaluate: every so many steps or seconds of training, or share of the goal; at most
    the share `cost` of the training time where that is set. The last iteration always."""

    steps: int | None = None
    seconds: float | None = None
    share: float | None = None
    cost: float | None = None

    @classmethod
    def read(cls, text: str) -> Schedule:
        """`500` (steps), `30s` or `2m` (training time), `5%` (of the goal), or `auto`."""
        if text == "auto":
            return cls(share=AUTO_SHARE, cost=AUTO_COST)
        found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh%]?)", text.strip())
        value = float(found[1]) if found else 0.0
        unit = found[2] if found else ""
        if value > 0 and unit == "%" and value <= 100:
            return cls(share=value / 100)
        if value > 0 and unit in UNITS:
            return cls(seconds=value * UNITS[unit])
        if value >= 1 and not unit and value == int(value):
            return cls(steps=int(value))
        raise UserError(
            f"--evaluate-every {text}: wants steps such as 500, a training time such as 30s, a "
            "share of the goal such as 5%, auto or none"
        )

    def interval(self, goal: Goal) -> tuple[int | None, float | None]:
        """Steps or seconds between two evaluations of a run to `goal`; one of them is None."""
        if self.share is None:
            return self.steps, self.seconds
        if goal.steps is not None:
            return max(1, round(self.share * goal.steps)), None
        assert goal.budget_seconds is not None  # a goal has one of the two
        return None, self.share * goal.budget_seconds


@dataclass
class Evaluator:
    """Called before the first iteration and after each; the measures where an evaluation is due.

    The latents are the same at every evaluation of a run, so that a jump is due to the generator.
    The average of the best evaluation so far is kept as `best/step-N.safetensors`. `facts`, what
    identifies the measures, goes into run.json as `evaluation`.
    """

    schedule: Schedule
    goal: Goal
    measure: Measure
    count: int = COUNT
    facts: dict[str, Any] = field(default_factory=dict)
    clock: Callable[[], float] = time.perf_counter
    say: Callable[[str], None] = lambda text: None
    #: Whether `--count` says how many samples are drawn, as in `train`.
    count_is_option: bool = True
    last_iteration: int = 0
    last_seconds: float = 0.0
    spent: float = 0.0
    cost: float = 0.0
    best: float = math.inf
    latents: Tensor | None = field(default=None, init=False)

    def __call__(self, trainer: Trainer) -> dict[str, Any] | None:
        if self.latents is None:
            self.take_up(trainer)
        if not self.due(trainer):
            return None
        trainer.settle()
        started = self.clock()
        found = self.evaluated(trainer)
        self.keep_if_best(trainer, distance_in(found))
        self.cost = self.clock() - started
        if trainer.iteration:
            self.spent += self.cost
        else:
            self.warn_of_cost()
        self.last_iteration, self.last_seconds = trainer.iteration, trainer.seconds
        return {**found, "evaluate_seconds": round(self.cost, 4)}

    def take_up(self, trainer: Trainer) -> None:
        """Begin, or resume from the run's history."""
        prior = trainer.recipe.sampling_prior(trainer.data.classes)
        self.latents = prior.sample(self.count, trainer.source.streams.generator("evaluation"))
        known = read_facts(trainer.folder.path).get("evaluation") or {}
        if known.get("feature_hash", self.facts.get("feature_hash")) != self.facts.get(
            "feature_hash"
        ):
            raise UserError(
                f"{trainer.folder.path}: its evaluations so far are by other features "
                f"({known['feature_hash'][:12]}); no new one could be compared to them"
            )
        trainer.folder.update_facts(evaluation={**self.facts, "count": self.count})
        folder = trainer.folder.path / "best"
        for path in checkpoint.listed(folder):
            if (
                checkpoint.step_of(path) >= trainer.iteration
            ):  # of iterations that are computed again
                path.unlink()
        wanted = self.facts.get("distance")
        for line in read_history(trainer.folder.path):
            if "evaluate_seconds" not in line:
                continue
            self.last_iteration, self.last_seconds = line["step"], line["seconds"]
            self.cost = line["evaluate_seconds"]
            self.spent += self.cost if line["step"] else 0.0
            if wanted is not None and wanted not in line:
                continue  # of a version that took another distance: no new one compares to it
            distance = distance_in(line)
            kept = checkpoint.path_of(folder, line["step"]).exists()
            if distance is not None and distance < self.best and kept:
                self.best = distance

    # ---- when --------------------------------------------------------------------------------

    def due(self, trainer: Trainer) -> bool:
        if trainer.iteration == 0 or self.goal.reached(trainer.iteration, trainer.seconds):
            return True
        steps, seconds = self.schedule.interval(self.goal)
        if steps is not None:
            passed = trainer.iteration // steps > self.last_iteration // steps
        else:
            assert seconds is not None
            passed = trainer.seconds // seconds > self.last_seconds // seconds
        return passed and self.affordable(trainer)

    def affordable(self, trainer: Trainer) -> bool:
        """Whether the time spent on evaluations keeps to its share of the training time, the first
        and the last evaluation of the run included."""
        if self.schedule.cost is None:
            return True
        if self.goal.steps is not None:
            expected = trainer.seconds * self.goal.steps / trainer.iteration
        else:
            assert self.goal.budget_seconds is not None  # a goal has one of the two
            expected = self.goal.budget_seconds
        free = self.schedule.cost * expected - 2 * self.cost
        return self.spent + self.cost <= free * trainer.seconds / expected

    def warn_of_cost(self) -> None:
        """Say where the first evaluation took so long that few fit into a budget."""
        budget, share = self.goal.budget_seconds, self.schedule.cost
        if budget is None or share is None or self.cost * FEW <= share * budget:
            return
        between = max(0, int(share * budget / self.cost) - 2)
        fitting = max(50, int(self.count * share * budget / self.cost / FEW) // 50 * 50)
        fast = self.facts.get("features") == "effnet-64"
        other = "leave" if fast else "or faster features (--features effnet-64) leave"
        fewer = f"Fewer samples (--count {fitting})" if self.count_is_option else "A larger budget"
        self.say(
            f"an evaluation takes {self.cost:.0f} s, so {between or 'none'} will be made between "
            f"the first and the last: evaluations may take {share:.0%} of the time. {fewer} "
            f"{other} room for more"
        )

    # ---- what --------------------------------------------------------------------------------

    def evaluated(self, trainer: Trainer) -> dict[str, Any]:
        """The measures of the averaged generator's samples; None for one that is not finite."""
        assert self.latents is not None  # `take_up` draws them
        made = pictures.generate(trainer.state.g_ema, self.latents, BATCH)
        with torch.no_grad():
            found = self.measure(torch.cat(list(made)))
        return {key: number(value) for key, value in found.items()}

    def keep_if_best(self, trainer: Trainer, distance: float | None) -> None:
        """Keep the average of the best evaluation so far, and only that.

        Until a checkpoint of the run is as new, the best one before it stays too: an interrupted
        run resumes from the checkpoint, and may not repeat the same evaluation.
        """
        folder = trainer.folder.path / "best"
        if trainer.iteration and distance is not None and distance < self.best:
            self.best = distance
            folder.mkdir(exist_ok=True)
            average = trainer.state.g_ema.state_dict()
            tensors = {f"average/{key}": value for key, value in average.items()}
            info = {**trainer.info(), "distance": distance, "images": trainer.images}
            checkpoint.save(folder, trainer.iteration, tensors, info, keep=sys.maxsize)
        kept = checkpoint.listed(folder)
        saved = checkpoint.listed(trainer.folder.checkpoints)
        stages = sum(trainer.stage_steps.values())
        safe = checkpoint.step_of(saved[0]) - stages if saved else -1
        if self.goal.reached(trainer.iteration, trainer.seconds):
            safe = trainer.iteration
        for path, newer in zip(kept[1:], kept, strict=False):
            if checkpoint.step_of(newer) <= safe:
                path.unlink()
