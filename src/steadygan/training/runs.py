"""Runs from start to end: `train`, `resume` and `replay`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from steadygan.data import Dataset, DataSettings, open_data
from steadygan.errors import CheckpointError, NonFiniteError, UserError, in_a_line
from steadygan.game.play import Hand, Play, RealBatch
from steadygan.game.recipe import Recipe
from steadygan.locks import INTERRUPTED
from steadygan.methods import methods
from steadygan.spec import checked
from steadygan.training import checkpoint, facts, pictures, segments, state
from steadygan.training.goals import Cadence, Goal, Hooks, Stopped
from steadygan.training.loop import Trainer, needs_double_backward
from steadygan.training.precision import Precision, find_device, place
from steadygan.training.runfolder import RunFolder, read_facts

#: How long a run trains when neither steps nor a budget is given.
DEFAULT_BUDGET_MINUTES = 10.0
#: What report.html takes without pictures: plotly.js most of all.
REPORT_BYTES = 5_000_000


def train(
    recipe: Recipe,
    data: str | Dataset,
    *,
    out: str | Path | None = None,
    steps: int | None = None,
    budget_minutes: float | None = None,
    seed: int = 0,
    device: str = "auto",
    precision: Precision = "auto",
    cadence: Cadence = Cadence(),
    hooks: Hooks | None = None,
    command: str = "",
    title: str = "",
) -> Path:
    """Train `recipe` on `data` into a new run folder and return its path.

    `data` is a source such as "mnist" or "folder:DIR", or an open data set. `steps` are turns in
    all; `budget_minutes` counts training alone; with neither, 10 minutes. `out` defaults to the
    first free `runs/METHOD-DATA-sSEED[-N]`. Raises `UserError` before anything is written where
    recipe and data do not fit, `NonFiniteError` where numbers stop being finite.
    """
    data = open_data(data) if isinstance(data, str) else data
    goal = goal_of(steps, budget_minutes)
    require_fit(recipe, data)
    name = recipe.method or "own"
    path = Path(out) if out is not None else free_folder(f"runs/{name}-{data.name}-s{seed}")
    placed = place(device, precision, needs_double_backward(recipe))
    with torch.random.fork_rng():
        trainer = Trainer(recipe, data, RunFolder(path), seed, placed, cadence)
        others = pictures.room(data.shape) + REPORT_BYTES
        checkpoint.require_room(path, state.size_in_bytes(trainer.table), others)
    with torch.random.fork_rng(), RunFolder.create(path) as folder:
        trainer.folder = folder
        folder.write_facts(_first_facts(trainer, goal, command, title))
        play(trainer, goal, hooks or Hooks())
    return path


def resume(
    path: str | Path,
    *,
    steps: int | None = None,
    budget_minutes: float | None = None,
    changes: Mapping[str, Any] | None = None,
    allow_inexact: bool = False,
    recipe: Recipe | None = None,
    data: Dataset | None = None,
    hooks: Hooks | None = None,
    say: Callable[[str], None] = print,
) -> Path:
    """Go on with a run from its newest whole checkpoint, to its own goal or a new one.

    The result is bitwise that of a run never interrupted, on a CPU (see `facts.identity`). Where
    that cannot be (another torch, data, recipe, machine arithmetic), it is refused with the
    differences listed, unless `allow_inexact`: then they are said and the run is marked. `recipe`
    and `data` are needed only where run.json cannot rebuild them (ready modules, a data set of
    one's own).

    `changes` sets keys such as `{"lr": 1e-5}` from here on, which run.json records as a new segment
    (see `segments`). What cannot change in a run is a `UserError`.
    """
    path = Path(path)
    with torch.random.fork_rng(), threads_kept(), RunFolder.open(path) as folder:
        recorded = read_facts(path)
        asked = steps is not None or budget_minutes is not None
        before = Goal(**recorded["goal"])
        goal = goal_of(steps, budget_minutes) if asked else before
        found_at, found = checkpoint.load_newest(folder.checkpoints, say)
        was, kept = segments.back_to(_settings(recorded, recipe), recorded.get("segments", []),
                                     segments.turn_of(found), say)  # fmt: skip
        now = segments.changed(was, changes or {})
        trainer = _rebuilt(recorded, folder, now, data)
        differences = segments.unlike(recorded, found, trainer, was, kept)
        _accept(path, differences, allow_inexact, say)
        try:
            trainer.restore(found)
        except CheckpointError as error:
            raise CheckpointError(f"{found_at}: {error}") from None
        if goal.steps is not None and goal.steps < trainer.turn:
            raise UserError(f"--steps {goal.steps}: {path} is at step {trainer.turn} already")
        spent = trainer.seconds
        if goal != before and goal.budget_seconds is not None and goal.budget_seconds < spent:
            said = f"--budget {goal.budget_seconds:g}s"
            raise UserError(f"{said}: {path} has trained for {spent:.1f} s already")
        kept += segments.begun(path, trainer, was, now, goal)
        checkpoint.set_aside(folder.checkpoints, found_at, say)
        folder.cut_history(trainer.turn)
        if recorded.get("status", {}).get("state") in ("running", "interrupted"):
            say(f"{path} was interrupted; going on from step {trainer.turn}")
        marks = [*recorded.get("inexact", []), *differences]
        facts_now = {"goal": goal.as_facts(), "inexact": sorted(set(marks))}
        if kept or recorded.get("segments"):
            facts_now |= {"segments": kept, "recipe": now.recipe.model_dump(mode="json"),
                          "cadence": now.cadence.model_dump()}  # fmt: skip
        folder.update_facts(**facts_now)
        play(trainer, goal, hooks or Hooks())
    return path


def _settings(recorded: dict[str, Any], recipe: Recipe | None) -> segments.Settings:
    """What run.json says of recipe and cadence; a `recipe` that is given is brought up to it."""
    cadence = Cadence(**recorded.get("cadence", {}))
    if recipe is None:
        return segments.Settings(recorded_recipe(recorded["recipe"]), cadence)
    return segments.after(segments.Settings(recipe, cadence), recorded.get("segments", []))


def seconds_spent(path: str | Path) -> float:
    """The training time, in seconds, of a run up to its newest whole checkpoint."""
    _, found = checkpoint.load_newest(Path(path) / "checkpoints", lambda text: None)
    return float(found.info("seconds"))


def replay(path: str | Path, *, recipe: Recipe | None = None, data: Dataset | None = None) -> str:
    """Play the update again that stopped a run on non-finite numbers; what was found, in words.

    `recipe` and `data` as for `resume`.
    """
    path = Path(path)
    kept = checkpoint.listed(path / "failure")
    if not kept:
        raise UserError(
            f"{path}: no failure was kept; only a run that stopped on NaN or Inf has one"
        )
    found = checkpoint.load(kept[0])
    tensors = dict(found.tensors)
    batch = {k: tensors.pop(k) for k in list(tensors) if k.startswith("failure/")}
    with torch.random.fork_rng(), threads_kept():
        recorded = read_facts(path)
        trainer = _rebuilt(recorded, RunFolder(path), _settings(recorded, recipe), data)
        trainer.restore(checkpoint.Checkpoint(tensors, found.metadata))
        turn, mover, k = found.info("place")
        hand = _with_batch(trainer.deal(mover, k), batch, trainer)
        trainer.keep_failure = lambda update: kept[0]
        try:
            if mover in trainer.recipe.stages:
                trainer.recipe.stage_step(mover, k, trainer.table, hand, trainer.guard)
            else:
                play = Play(trainer.recipe, trainer.table, mover, hand, trainer.images)
                if "failure/latents" in batch:
                    play.latent = trainer.placement.to_device(batch["failure/latents"])
                trainer.recipe.update(play, trainer.guard)
        except NonFiniteError as error:
            return f"replayed: {error}"
    return f"step {turn}, player {mover}, update {k}: every number was finite this time"


def _with_batch(hand: Hand, batch: dict[str, Tensor], trainer: Trainer) -> Hand:
    """The hand with the real batch and labels that were kept, where the update had asked."""
    if "failure/real" not in batch:
        return hand
    kept = {name: trainer.placement.to_device(tensor) for name, tensor in batch.items()}
    real = RealBatch(kept["failure/real"], kept.get("failure/labels"), batch.get("failure/rows"))
    return replace(hand, real=lambda: real)


def play(trainer: Trainer, goal: Goal, hooks: Hooks) -> None:
    """Run to `goal` and keep the run's status in run.json, however it ends."""
    with _Status(trainer):
        trainer.run(goal, hooks)


class _Status:
    """Keeps a run's status in run.json: how it stands inside `with`, and how it left.

    States: running, finished, stopped (state saved), interrupted (nothing saved since the last
    checkpoint), failed (with an exit code). Wall time is of a clock that is never set.
    """

    def __init__(self, trainer: Trainer) -> None:
        self.trainer, self.started = trainer, time.monotonic()
        status = read_facts(trainer.folder.path).get("status") or {}
        self.before = status.get("wall_seconds", 0.0)

    def note(self, state: str, reason: str = "", **more: Any) -> None:
        trainer = self.trainer
        wall = self.before + time.monotonic() - self.started
        trainer.folder.update_facts(
            status={
                "state": state, "reason": reason, "step": trainer.turn, "images": trainer.images,
                "seconds": round(trainer.seconds, 3), "wall_seconds": round(wall, 3), **more,
            }
        )  # fmt: skip

    def __enter__(self) -> _Status:
        self.note("running")
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if error is None:
            self.note("finished")
            return
        with suppress(UserError):  # where this cannot be written, `error` itself is what to say
            if isinstance(error, Stopped):
                self.note("stopped", str(error))
            elif isinstance(error, Exception):
                reason, code = in_a_line(error)
                self.note("failed", reason, exit_code=code)
            else:  # KeyboardInterrupt, SystemExit: of nobody's making here
                self.note("interrupted", INTERRUPTED)


def require_fit(recipe: Recipe, data: Dataset) -> None:
    """Raise `UserError` where `recipe` cannot be trained on `data`."""
    name = recipe.method or "this recipe"
    if problem := recipe.networks.misfit(data.shape):
        raise UserError(f"{name} on {data.spec}: {problem}")
    if recipe.needs_labels and data.train.labels is None:
        raise UserError(f"{name} needs class labels, and {data.spec} has none: put the images of "
                        "each class in a subfolder of its own")  # fmt: skip
    if len(data.train) < recipe.batch:
        raise UserError(
            f"{data.spec}: {len(data.train)} training images are fewer than one batch of "
            f"{recipe.batch}: lower batch= or add images"
        )


def goal_of(steps: int | None, budget_minutes: float | None) -> Goal:
    """A goal from what was asked for: at most one of the two, each above 0."""
    if steps is not None and budget_minutes is not None:
        raise UserError("give --steps or --budget, not both")
    if steps is not None and steps < 1:
        raise UserError(f"--steps {steps}: wants 1 or more")
    if budget_minutes is not None and not 0 < budget_minutes < 1e6:
        raise UserError(f"--budget {budget_minutes} minutes: wants a time above 0, such as 5m")
    if steps is not None:
        return Goal(steps=steps)
    return Goal(budget_seconds=60.0 * (budget_minutes or DEFAULT_BUDGET_MINUTES))


def free_folder(base: str) -> Path:
    """`base`, or `base-2`, `base-3`, ...: the first that does not exist."""
    path, n = Path(base), 1
    while path.exists():
        n += 1
        path = Path(f"{base}-{n}")
    return path


def _first_facts(trainer: Trainer, goal: Goal, command: str, title: str) -> dict[str, Any]:
    recipe, players = trainer.recipe, trainer.table.players
    return {
        "format": 1,
        "name": trainer.folder.path.name,
        "method": recipe.method or "own",
        "title": title,
        "command": command,
        "recipe": recipe.model_dump(mode="json"),
        "data": trainer.data.describe(),
        "quarantine": list(trainer.data.quarantine),
        "seed": trainer.seed,
        "device": str(trainer.placement.device),
        "arithmetic": facts.arithmetic_of(trainer.placement.device, trainer.placement.precision),
        "precision": trainer.placement.precision,
        "threads": torch.get_num_threads(),
        "versions": facts.versions(),
        "parameters": {
            n: sum(w.numel() for w in p.parameters) for n, p in players.items() if not p.weights_of
        },
        "cadence": trainer.cadence.model_dump(),
        "goal": goal.as_facts(),
        "inexact": [],
    }


def _rebuilt(
    recorded: dict[str, Any], folder: RunFolder, settings: segments.Settings, data: Dataset | None
) -> Trainer:
    """The trainer that run.json describes, at its start. Sets the run's thread count, which
    `threads_kept` gives back."""
    recipe = settings.recipe
    if data is None:
        of_data = checked("data", DataSettings, **recorded["data"]["settings"])
        data = open_data(recorded["data"]["spec"], of_data)
    torch.set_num_threads(recorded["threads"])
    device = device_or_auto(recorded["device"])
    placed = place(device, recorded["precision"], needs_double_backward(recipe))
    return Trainer(recipe, data, folder, recorded["seed"], placed, settings.cadence)


@contextmanager
def threads_kept() -> Iterator[None]:
    """Give the caller its own number of torch threads back at the end."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)


def device_or_auto(name: str) -> str:
    """The recorded device, or what there is here; resume then lists the difference."""
    try:
        return str(find_device(name))
    except UserError:
        return "auto"


def recorded_recipe(fields: dict[str, Any]) -> Recipe:
    """The recipe of run.json: of its method's own class where it has one."""
    known = methods().get(fields.get("method", ""))
    return checked("run.json: recipe", type(known.recipe) if known else Recipe, **fields)


def _accept(path: Path, differences: list[str], allowed: bool, say: Callable) -> None:
    if differences and not allowed:
        raise UserError(
            f"{path}: cannot go on exactly: {'; '.join(differences)}; --allow-inexact goes on all "
            "the same and marks the report"
        )
    for difference in differences:
        say(f"inexact: {difference}")
