"""The training loop: iterates, logs, draws samples, saves, stops.

All of it happens between iterations: a checkpoint is the state after a whole number of them.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from steadygan.data import Dataset, batch_indices
from steadygan.errors import CheckpointError, NonFiniteError, UserError
from steadygan.game.context import Iteration, RealBatch, StepInputs
from steadygan.game.recipe import Recipe
from steadygan.game.state import GameState, StepResult
from steadygan.losses.penalties import Penalty
from steadygan.spec import checked
from steadygan.training import checkpoint, guards, pictures, signals, state_dict
from steadygan.training.facts import identity
from steadygan.training.goals import Goal, Hooks, LogSchedule, due, milestones
from steadygan.training.precision import DeviceConfig
from steadygan.training.runfolder import RunFolder, read_history
from steadygan.training.streams import Streams
from steadygan.training.undo import Undo

#: An iteration (or a step of a stage), a player or stage, and a step of it.
Place = tuple[int, str, int]


@dataclass
class Trainer:
    """A game in training and everything around it that must survive a stop.

    Counters: `iteration`, `images` that D has seen, `draws` of real batches by who drew them, steps
    done of each pre-training stage, and `seconds` spent training (not decoding, logging, saving).
    """

    recipe: Recipe
    data: Dataset
    folder: RunFolder
    seed: int
    device_config: DeviceConfig
    schedule: LogSchedule = field(default_factory=LogSchedule)
    iteration: int = 0
    images: int = 0
    draws: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    stage_steps: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.streams = Streams(self.seed)
        torch.manual_seed(self.streams.key("start"))
        self.state: GameState = checked(
            "networks", self.recipe.start, self.data.shape, self.data.classes
        )
        self.state.to(self.device_config.device, self.device_config.memory_format)
        self.stage_steps = dict.fromkeys(self.recipe.stages, 0)
        self.last: dict[str, StepResult] = {}
        self._undo = Undo()
        self._place: Place = (0, "d", 0)
        self.draws_before: dict[str, int] = {}
        self.failure: Path | None = None  # where this failure was kept before

    # ---- inputs ------------------------------------------------------------------------------

    def inputs(self, player: str, k: int) -> StepInputs:
        """The inputs of step `k` of `player` in this iteration. Asking draws nothing yet."""
        self._place = (self.iteration, player, k)
        self.draws_before = dict(self.draws)
        self._undo.begin(self.state)
        self.streams.seed_global_rng(*self._place)
        return self._inputs_at(self._place)

    def _inputs_at(self, place: Place) -> StepInputs:
        return StepInputs(
            real=lambda: self.next_batch(place),
            generator=lambda name: self.streams.generator(name, *place),
            autocast=self.device_config.autocast,
            to_device=self.device_config.to_device,
        )

    def next_batch(self, place: Place) -> RealBatch:
        """The next batch of the train part in the order of the player or stage that draws it."""
        train, (_, player, _) = self.data.train, place
        order = self.streams.key("data order", player)
        draw = self.draws.get(player, 0)
        rows = batch_indices(len(train), self.recipe.batch, order, draw)
        self.draws[player] = draw + 1
        images = as_played(torch.from_numpy(train.items[rows]))
        if self.data.settings.flip and images.dim() == 4:
            generator = self.streams.generator("augmentation", *place)
            chosen = torch.rand(len(images), 1, 1, 1, generator=generator) < 0.5
            images = torch.where(chosen, images.flip(3), images)
        labels = None if train.labels is None else torch.from_numpy(train.labels[rows])
        return self._real_batch(images, labels, torch.from_numpy(rows))

    def _real_batch(self, images: Tensor, labels: Tensor | None, rows: Tensor) -> RealBatch:
        to_device = self.device_config.to_device
        return RealBatch(to_device(images), None if labels is None else to_device(labels), rows)

    def held_out(self) -> RealBatch | None:
        """A batch of data that training never sees, chosen by the iteration."""
        test = self.data.test
        batch = min(self.recipe.batch, len(test))
        if batch < 2:  # no statistics of a batch
            return None
        generator = self.streams.generator("heldout", self.iteration)
        rows = torch.randperm(len(test), generator=generator)[:batch].numpy()
        labels = None if test.labels is None else torch.from_numpy(test.labels[rows])
        images = as_played(torch.from_numpy(test.items[rows]))
        return self._real_batch(images, labels, torch.from_numpy(rows))

    # ---- training ----------------------------------------------------------------------------

    def iterate(self) -> None:
        """One iteration, guarded: a non-finite number stops it before it reaches a weight."""
        started = time.perf_counter()
        self.last = self.recipe.iterate(self.state, self._iteration(self.iteration))
        self.images += self.recipe.images_in(self.iteration)
        self.iteration += 1
        self.seconds += time.perf_counter() - started

    def take_stage_step(self, stage: str) -> None:
        """One step of a pre-training stage; its time counts as training."""
        started = time.perf_counter()
        done = self.stage_steps[stage]
        result = self.recipe.stage_step(stage, self.state, self._iteration(done))
        self.last = {} if result is None else {stage: result}
        self.stage_steps[stage] += 1
        self.seconds += time.perf_counter() - started

    def _iteration(self, index: int) -> Iteration:
        return Iteration(index, self.images, self.inputs, self.guard)

    def guard(self, result: StepResult) -> None:
        """Raise `NonFiniteError` if this step computed NaN or Inf; keep what replays it."""
        if guards.all_finite(guards.watched(result)):
            return
        self._undo.back(self.state)  # what this step moved is a symptom, not the culprit
        iteration, player, k = self._place
        where = f"stage {player}, step {k}" if player in self.recipe.stages else f"step {iteration}"
        found = f"{where}: NaN or Inf in {guards.culprit(result)}"
        try:
            kept = self.failure or self.keep_failure(result)
        except (OSError, UserError) as error:
            found += f"; the weights were not touched; the state before it was not kept ({error})"
            raise NonFiniteError(found) from None
        raise NonFiniteError(
            f"{found}; the weights were not touched; the batch and the state before it are in "
            f"{kept}: `steadygan replay {self.folder.path}`"
        )

    def keep_failure(self, result: StepResult) -> Path:
        """Save the state before `result` with its batch and latents, as a checkpoint file."""
        iteration, player, k = self._place
        tensors = self.gathered() | {
            f"failure/{name}": tensor for name, tensor in guards.seen_by(result.context).items()
        }
        tensors |= {f"counters/draws {m}": torch.tensor(n) for m, n in self.draws_before.items()}
        folder = self.folder.path / "failure"
        folder.mkdir(exist_ok=True)
        info = {**self.info(), "place": [iteration, player, k]}
        return checkpoint.save(folder, iteration, tensors, info)

    # ---- saving ------------------------------------------------------------------------------

    def counters(self) -> dict[str, int]:
        stages = {f"stage {name}": steps for name, steps in self.stage_steps.items()}
        draws = {f"draws {player}": count for player, count in self.draws.items()}
        return {"turn": self.iteration, "images": self.images, **draws, **stages}

    def take_counters(self, counters: dict[str, int]) -> None:
        """Go on counting from what `counters` gave."""
        self.iteration, self.images = counters["turn"], counters["images"]
        self.stage_steps = {stage: counters[f"stage {stage}"] for stage in self.stage_steps}
        begins = "draws "
        self.draws = {k[len(begins) :]: n for k, n in counters.items() if k.startswith(begins)}

    def gathered(self) -> dict[str, Tensor]:
        """The whole state as named tensors."""
        return state_dict.gather(self.state, self.counters())

    def info(self) -> dict[str, Any]:
        """A checkpoint's metadata: identity and wall clock."""
        recipe = self.recipe.model_dump(mode="json")
        facts = identity(recipe, self.data.describe(), self.seed, self.device_config)
        return {"identity": facts, "seconds": self.seconds, "written": time.time()}

    @property
    def total_steps(self) -> int:
        """Steps of every kind so far: iterations, and those of pre-training stages."""
        return self.iteration + sum(self.stage_steps.values())

    def save(self) -> Path:
        """Write a checkpoint; never one with a non-finite number in it.

        The number in its name counts pre-training steps too, so that those made inside a stage
        have names of their own and the one before stays.
        """
        tensors = self.gathered()
        if not guards.all_finite(tensors.values()):
            bad = next(n for n, t in tensors.items() if not guards.all_finite([t]))
            raise NonFiniteError(f"step {self.iteration}: NaN or Inf in {bad}; nothing was saved")
        self.folder.sync_history()
        return checkpoint.save(self.folder.checkpoints, self.total_steps, tensors, self.info())

    def restore(self, found: checkpoint.Checkpoint) -> None:
        """Take up the state of a checkpoint, bit for bit."""
        counters = state_dict.restore(self.state, found.tensors)
        for name in ("turn", "images", *(f"stage {stage}" for stage in self.stage_steps)):
            if name not in counters:
                raise CheckpointError(f"the checkpoint has no counter {name!r}")
        self.take_counters(counters)
        self.seconds = float(found.info("seconds"))

    # ---- the run -----------------------------------------------------------------------------

    def run(self, goal: Goal, hooks: Hooks) -> None:
        """Train until `goal`; log, draw and save on the way and at the end."""
        if not checkpoint.listed(self.folder.checkpoints):
            self.save()
        if self.iteration == 0 and not any(read_history(self.folder.path)):
            # after the save: a run killed between the two goes on
            self.log(with_samples=True, measured=hooks.evaluate(self))
        saved = self.total_steps
        for stage in self.recipe.stages:
            while self.stage_steps[stage] < self.recipe.stage_length(stage):
                if goal.reached(self.iteration, self.seconds):  # a budget counts pre-training too
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
        last = goal.reached(self.iteration, self.seconds)
        while not last:
            before = self.images
            self.iterate()
            last = goal.reached(self.iteration, self.seconds)
            measured = hooks.evaluate(self)
            pictured = last or self._sample_due(before)
            if pictured or measured or due(self.iteration, self.schedule.log_every):
                self.log(pictured, measured)
            if not last and due(self.iteration, self.schedule.save_every):
                self.save()
                saved = self.total_steps
            hooks.on_iteration(self)
            if not last:  # after an iteration, so that even a short --stop-after gets on
                self._stop_if_asked(hooks)
        if saved != self.total_steps:  # also where a stage's last step spent the budget
            self.save()

    def _stop_if_asked(self, hooks: Hooks) -> None:
        if (stopped := hooks.stop()) is not None:
            self.save()
            raise stopped

    def _sample_due(self, images_before: int) -> bool:
        """Samples fall on the same numbers of images for every method: 1000 * 2^(k/2)."""
        passed = any(images_before < m <= self.images for m in milestones(self.images))
        return passed or due(self.iteration, self.schedule.sample_every)

    def log(self, with_samples: bool, measured: dict[str, Any] | None = None) -> None:
        """Add a history line for the iteration that just ended; with pictures where they are due,
        and what was `measured` of its samples."""
        line: dict[str, Any] = {"step": self.iteration, "images": self.images}
        line["seconds"] = round(self.seconds, 4)
        if self.last:
            values = signals.of_iteration(self.last, self.held_out())
            if bad := [key for key, value in values.items() if not math.isfinite(value)]:
                raise NonFiniteError(f"step {self.iteration}: NaN or Inf in the log's {bad[0]}")
            line |= values
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


def as_played(items: Tensor) -> Tensor:
    """Data at rest as networks take it: uint8 images become float32 in [-1, 1]."""
    return items.float() / 127.5 - 1.0 if items.dtype == torch.uint8 else items


def needs_double_backward(recipe: Recipe) -> bool:
    """True where a part differentiates D's input gradient once more."""
    return any(isinstance(part, Penalty) for part in recipe.parts())
