"""The training loop: iterates, logs, draws samples, saves, stops.

All of it happens between iterations: a checkpoint is the state after a whole number of them.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from steadygan.data import Dataset
from steadygan.errors import CheckpointError, NonFiniteError, SteadyGanError, UserError
from steadygan.game.context import Iteration
from steadygan.game.inputs import StepInputs
from steadygan.game.microbatches import require_pieces
from steadygan.game.processes import Processes
from steadygan.game.recipe import Recipe
from steadygan.game.state import GameState, StepResult
from steadygan.losses.penalties import Penalty
from steadygan.networks.synchronised import synchronise
from steadygan.spec import checked
from steadygan.training import checkpoint, pictures, signals, state_dict
from steadygan.training.culprit import culprit
from steadygan.training.facts import identity
from steadygan.training.goals import Goal, Hooks, LogSchedule, Stopped, due, milestones
from steadygan.training.graphs import Graphs
from steadygan.training.guards import Guard, LateGuard, NonFiniteStep, Snapshot, all_finite
from steadygan.training.inputs import InputSource, Place
from steadygan.training.joining import here
from steadygan.training.precision import DeviceConfig
from steadygan.training.runfolder import RunFolder, read_history

#: A late guard is read after so many iterations or seconds, if nothing asks for it before.
SETTLE_AFTER, SETTLE_SECONDS = 64, 1.0
#: How often several processes ask each other whether to stop, in seconds.
ASK_SECONDS = 0.5


@dataclass
class Trainer:
    """A game in training and everything around it that must survive a stop.

    Counters: `iteration`, `images` that D has seen, draws of real batches by who drew them
    (`source.draws`), steps done of each pre-training stage, and `seconds` spent training (not
    decoding, logging, saving).

    In a run of several `processes` each has a trainer and computes its share; the first one alone
    writes. Alone on a GPU the guard is read later: no step waits for the device, and `settle` comes
    before its results are used.
    """

    recipe: Recipe
    data: Dataset
    folder: RunFolder
    seed: int
    device_config: DeviceConfig
    schedule: LogSchedule = field(default_factory=LogSchedule)
    iteration: int = 0
    images: int = 0
    seconds: float = 0.0
    stage_steps: dict[str, int] = field(default_factory=dict)
    processes: Processes = field(default_factory=here)

    def __post_init__(self) -> None:
        require_shares(self.recipe, self.processes.count)
        self.source = InputSource(
            self.data, self.recipe.batch, self.seed, self.device_config, self.processes
        )
        torch.manual_seed(self.source.streams.key("start"))
        self.state: GameState = checked(
            "networks", self.recipe.start, self.data.shape, self.data.classes
        )
        require_pieces(self.recipe, self.state.networks().values())
        self.state.to(self.device_config.device, self.device_config.memory_format)
        if self.processes.count > 1:
            for player in self.state.players.values():
                synchronise(player.modules, self.processes, self.recipe.sync_batchnorm)
        self.stage_steps = dict.fromkeys(self.recipe.stages, 0)
        self.last: dict[str, StepResult] = {}
        self.guard = Guard()
        alone_on_gpu = self.device_config.device.type == "cuda" and self.processes.size == 1
        self._late_guard = LateGuard(self.device_config.device) if alone_on_gpu else None
        self._watch: Guard | LateGuard = self.guard
        self.computing = self.device_config.computing()
        self.graphs: Graphs | None = None
        if self._late_guard and self.device_config.graphs:
            self.graphs = Graphs(self.recipe, self.state, self.source, self._late_guard.check)
        self._snapshot: Snapshot | None = None
        self._counters: dict[str, int] = {}
        self._place: Place = (0, "d", 0)
        self._asks_at = 0
        self.draws_before: dict[str, int] = {}
        self.failure: Path | None = None  # where this failure was kept before

    def inputs(self, player: str, k: int) -> StepInputs:
        """The inputs of step `k` of `player` in this iteration. Asking draws nothing yet."""
        self._place = (self.iteration, player, k)
        self.draws_before = dict(self.source.draws)
        self._watch.begin(self.state)
        return self.source.at(self._place)

    # ---- training ----------------------------------------------------------------------------

    def iterate(self) -> None:
        """One iteration, guarded: a non-finite number stops it before it reaches a weight, or
        where the guard is read later by `settle`."""
        started = time.perf_counter()
        if self._late_guard and self._is_long_ago(started - self._late_guard.read_at):
            self.settle()
            started = time.perf_counter()
        self._watch = self._late_guard or self.guard
        self._play()
        self.seconds += time.perf_counter() - started

    def _play(self) -> None:
        self.last = {}  # its activations make room
        repeat = self.graphs if self.graphs is not None and self._watch is not self.guard else None
        with self.computing(), self.failures_kept():
            given = self._iteration(self.iteration)
            given = given if repeat is None else replace(given, repeat=repeat)
            self.last = self.recipe.iterate(self.state, given)
        self.images += self.recipe.images_in(self.iteration)
        self.iteration += 1

    def settle(self) -> None:
        """Make sure that all steps so far were finite, before anything of them is read or kept.

        A late guard waits for the device here. Where it has found NaN or Inf, the game goes back to
        where it was last sure and plays the same iterations again (inputs are functions of their
        place), each step guarded before it moves a weight: so the failing one stops it as on a CPU.
        """
        if self._late_guard is None or self.settled:
            return
        started = time.perf_counter()
        if self._snapshot is not None and self._late_guard.found():
            self._play_again()
        if self._snapshot is None:
            self._snapshot = Snapshot(self.state)
        self._snapshot.take()
        self._counters = self.counters()
        self._late_guard.read_at = time.perf_counter()
        self.seconds += self._late_guard.read_at - started

    @property
    def settled(self) -> bool:
        """Whether all steps so far are known to be finite."""
        return self._snapshot is not None and self._counters == self.counters()

    def _is_long_ago(self, seconds: float) -> bool:
        """Whether a guard that was last read `seconds` ago is to be read again: the clock of a
        budget runs ahead of the device, too."""
        unsettled = self.iteration - self._counters.get("turn", -SETTLE_AFTER)
        return unsettled >= SETTLE_AFTER or seconds > SETTLE_SECONDS

    def _play_again(self) -> None:
        assert self._snapshot is not None
        if self.graphs is not None:
            self.graphs.forget()  # an optimizer whose first step is undone makes other tensors
        until = self.iteration
        self._snapshot.restore()
        self.take_counters(self._counters)
        self._watch = self.guard
        while self.iteration < until:
            self._play()

    def take_stage_step(self, stage: str) -> None:
        """One step of a pre-training stage; its time counts as training."""
        started = time.perf_counter()
        self._watch = self.guard
        self._snapshot, self._counters = None, {}  # of before
        done = self.stage_steps[stage]
        with self.computing(), self.failures_kept():
            result = self.recipe.stage_step(stage, self.state, self._iteration(done))
        self.last = {} if result is None else {stage: result}
        self.stage_steps[stage] += 1
        self.seconds += time.perf_counter() - started

    def _iteration(self, index: int) -> Iteration:
        return Iteration(index, self.images, self.inputs, self._watch.check)

    @contextmanager
    def failures_kept(self) -> Iterator[None]:
        """A `NonFiniteStep` inside is kept, for `replay`, and becomes a `NonFiniteError` that says
        where it stands."""
        try:
            yield
        except NonFiniteStep as step:
            raise self._failed(step.result) from None

    def _failed(self, result: StepResult) -> NonFiniteError:
        iteration, player, k = self._place
        where = f"stage {player}, step {k}" if player in self.recipe.stages else f"step {iteration}"
        with self.processes.apart():
            suspect = culprit(result)
        found = f"{where}: NaN or Inf in {nearest_cause(self.processes.texts(suspect))}"
        try:
            kept = self.failure or self.keep_failure(result)
        except (OSError, UserError) as error:
            found += f"; the weights were not touched; the state before it was not kept ({error})"
            return NonFiniteError(found)
        return NonFiniteError(
            f"{found}; the weights were not touched; the batch and the state before it are in "
            f"{kept}: `steadygan replay {self.folder.path}`"
        )

    def keep_failure(self, result: StepResult) -> Path:
        """Save the state before `result` with its batch and latents, as a checkpoint file."""
        iteration, player, k = self._place
        tensors = self.gathered() | {
            f"failure/{name}": self.processes.whole(tensor.detach())
            for name, tensor in result.context.used().items()
        }
        tensors |= {f"counters/draws {m}": torch.tensor(n) for m, n in self.draws_before.items()}
        folder = self.folder.path / "failure"
        if not self.processes.first:
            return folder
        folder.mkdir(exist_ok=True)
        info = {**self.info(), "place": [iteration, player, k]}
        return checkpoint.save(folder, iteration, tensors, info)

    # ---- saving ------------------------------------------------------------------------------

    def counters(self) -> dict[str, int]:
        stages = {f"stage {name}": steps for name, steps in self.stage_steps.items()}
        draws = {f"draws {player}": count for player, count in self.source.draws.items()}
        return {"turn": self.iteration, "images": self.images, **draws, **stages}

    def take_counters(self, counters: dict[str, int]) -> None:
        """Go on counting from what `counters` gave."""
        self.iteration, self.images = counters["turn"], counters["images"]
        self.stage_steps = {stage: counters[f"stage {stage}"] for stage in self.stage_steps}
        drawn = {k.partition("draws ")[2]: n for k, n in counters.items()}
        self.source.draws = {player: n for player, n in drawn.items() if player}

    def gathered(self) -> dict[str, Tensor]:
        """The whole state as named tensors."""
        return state_dict.gather(self.state, self.counters())

    def info(self) -> dict[str, Any]:
        """A checkpoint's metadata: identity and wall clock."""
        recipe = self.recipe.model_dump(mode="json")
        data, count = self.data.describe(), self.processes.count
        facts = identity(recipe, data, self.seed, self.device_config, count)
        return {"identity": facts, "seconds": self.seconds, "written": time.time()}

    @property
    def total_steps(self) -> int:
        """Steps of every kind so far: iterations, and those of pre-training stages."""
        return self.iteration + sum(self.stage_steps.values())

    def save(self) -> Path:
        """Write a checkpoint, in the first process, and say where; never one with a non-finite
        number in it, or of processes whose weights have come apart.

        The number in its name counts pre-training steps too, so that those made inside a stage
        have names of their own and the one before stays.
        """
        self.settle()
        tensors = self.gathered()
        if not all_finite(tensors.values()):
            bad = next(n for n, t in tensors.items() if not all_finite([t]))
            raise NonFiniteError(f"step {self.iteration}: NaN or Inf in {bad}; nothing was saved")
        self._require_one_state(tensors)
        if not self.processes.first:
            return self.folder.checkpoints
        self.folder.sync_history()
        return checkpoint.save(self.folder.checkpoints, self.total_steps, tensors, self.info())

    def _require_one_state(self, tensors: state_dict.Tensors) -> None:
        """Refuse a state that is not the same in all processes: they would play different games."""
        if self.processes.size == 1:
            return
        sums = {name: repr(float(tensor.double().sum())) for name, tensor in tensors.items()}
        first, *others = map(json.loads, self.processes.texts(json.dumps(sums)))
        odd = next((name for other in others for name in first if first[name] != other[name]), None)
        if odd is not None:
            raise SteadyGanError(
                f"step {self.iteration}: {odd} is no longer the same in all processes, and "
                "nothing was saved; a layer that draws random numbers of its own does that"
            )

    def restore(self, found: checkpoint.Checkpoint) -> None:
        """Take up the state of a checkpoint, bit for bit."""
        counters = state_dict.restore(self.state, found.tensors)
        for name in ("turn", "images", *(f"stage {stage}" for stage in self.stage_steps)):
            if name not in counters:
                raise CheckpointError(f"the checkpoint has no counter {name!r}")
        self.take_counters(counters)
        self.seconds = float(found.info("seconds"))
        self._snapshot, self._counters = None, {}  # of tensors that were replaced
        if self.graphs is not None:
            self.graphs.forget()

    # ---- the run -----------------------------------------------------------------------------

    def run(self, goal: Goal, hooks: Hooks) -> None:
        """Train until `goal`; log, draw and save on the way and at the end."""
        if self._anywhere(not checkpoint.listed(self.folder.checkpoints)):
            self.save()
        began = self.iteration == 0 and self.processes.first
        if began and not any(read_history(self.folder.path)):
            # after the save: a run killed between the two goes on
            self.log(with_samples=True, measured=hooks.evaluate(self))
        saved = self.total_steps
        for stage in self.recipe.stages:
            while self.stage_steps[stage] < self.recipe.stage_length(stage):
                if self._reached(goal):  # a budget counts pre-training too
                    self.save()
                    return
                self.take_stage_step(stage)
                if due(self.stage_steps[stage], self.schedule.save_every):
                    self.save()
                    saved = self.total_steps
                hooks.on_iteration(self)
                self._stop_if_asked(hooks)
            if self.iteration == 0:
                hooks.on_stage(self, stage)
        last = self._reached(goal)
        while not last:
            before = self.images
            self.iterate()
            last = self._reached(goal)
            pictured = last or self._sample_due(before)
            is_due = pictured or due(self.iteration, self.schedule.log_every)
            asks = is_due or self._asks()
            measured = hooks.evaluate(self) if asks else None
            if is_due or (asks and self._anywhere(measured is not None)):
                self.log(pictured, measured)
            if not last and due(self.iteration, self.schedule.save_every):
                self.save()
                saved = self.total_steps
            hooks.on_iteration(self)
            if not last:  # after an iteration, so that even a short --stop-after gets on
                self._stop_if_asked(hooks)
        if saved != self.total_steps:  # also where a stage's last step spent the budget
            self.save()

    def _anywhere(self, here: bool) -> bool:
        """True in all processes if it is `here` in one of them."""
        return bool(self.processes.most(here)[0])

    def _asks(self) -> bool:
        """Whether the processes ask each other now: a process alone at every step, others twice a
        second, since each question waits for the slowest."""
        return self.processes.size == 1 or self.total_steps >= self._asks_at

    def _reached(self, goal: Goal) -> bool:
        """Whether the goal is reached; clocks differ, and the first that says so decides."""
        reached = goal.reached(self.iteration, self.seconds)
        if goal.steps is not None:
            return reached
        return self._asks() and self._anywhere(reached)

    def _stop_if_asked(self, hooks: Hooks) -> None:
        if not self._asks():
            return
        stopped, steps = hooks.stop(), max(self.total_steps, 1)
        code, pace = self.processes.most(
            0 if stopped is None else stopped.exit_code, self.seconds / steps
        )
        self._asks_at = self.total_steps + max(1, int(ASK_SECONDS / max(pace, 1e-6)))
        if code:
            self.save()
            text = "stopped with another process of the run, state saved"
            raise stopped or Stopped(text, int(code))

    def _sample_due(self, images_before: int) -> bool:
        """Samples fall on the same numbers of images for every method: 1000 * 2^(k/2)."""
        passed = any(images_before < m <= self.images for m in milestones(self.images))
        return passed or due(self.iteration, self.schedule.sample_every)

    def log(self, with_samples: bool, measured: dict[str, Any] | None = None) -> None:
        """Add a history line for the iteration that just ended; with pictures where they are due,
        and what was `measured` of its samples."""
        self.settle()
        line: dict[str, Any] = {"step": self.iteration, "images": self.images}
        line["seconds"] = round(self.seconds, 4)
        if self.last:
            held_out = self.source.held_out(self.iteration)
            values = signals.of_iteration(self.last, held_out, self.processes)
            if bad := [key for key, value in values.items() if not math.isfinite(value)]:
                raise NonFiniteError(f"step {self.iteration}: NaN or Inf in the log's {bad[0]}")
            line |= values
        if not self.processes.first:
            return
        if with_samples:
            line |= pictures.draw_samples(
                self.state.g_ema,
                self.recipe.sampling_prior(self.data.classes),
                self.data,
                self.seed,
                self.folder.path,
                self.iteration,
            )
            line["weight_histogram"] = signals.weight_histogram(self.state)
        self.folder.append({**line, **(measured or {})})


def require_shares(recipe: Recipe, count: int) -> None:
    """Raise `UserError` where `count` processes cannot share the batches of `recipe`."""
    if count == 1:
        return
    if recipe.batch % count:
        raise UserError(
            f"batch={recipe.batch} cannot be shared by {count} processes: give a multiple of "
            f"{count}"
        )
    own = recipe.batch // count
    if recipe.microbatch and own % recipe.microbatch:
        raise UserError(
            f"microbatch={recipe.microbatch} does not divide the {own} samples that each of "
            f"{count} processes has of a batch"
        )
    for part in recipe.parts():
        if part.one_process:
            raise UserError(
                f"{part.name} wants one process ({part.one_process}): train in one, or leave "
                f"{part.name} out (--drop {part.name})"
            )


def nearest_cause(suspects: list[str]) -> str:
    """Of what each process suspects, the first that is no mere consequence: the averaged gradients
    are bad in all of them."""
    causes = [
        text
        for text in suspects
        if not text.startswith(("gradient of", "loss part", "an overflow"))
    ]
    return (causes or suspects)[0]


def needs_double_backward(recipe: Recipe) -> bool:
    """True where a part differentiates D's input gradient once more."""
    return any(isinstance(part, Penalty) for part in recipe.parts())
