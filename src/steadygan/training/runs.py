"""Runs from start to end: `train` and `resume`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from steadygan.data import Dataset, open_data
from steadygan.errors import CheckpointError, UserError
from steadygan.game.processes import Processes
from steadygan.game.recipe import Recipe
from steadygan.records import named_in
from steadygan.training import checkpoint, facts, pictures, segments, state_dict
from steadygan.training.goals import Goal, Hooks, LogSchedule
from steadygan.training.joining import join
from steadygan.training.loop import Trainer, needs_double_backward
from steadygan.training.precision import Precision, find_device, place
from steadygan.training.recorded import (
    import_members,
    read_recipe,
    recorded_data,
    recorded_goal,
    recorded_schedule,
    require_trusted,
)
from steadygan.training.runfolder import RunFolder, read_facts
from steadygan.training.status import RunStatus

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
    exact: bool = False,
    graphs: bool = True,
    schedule: LogSchedule = LogSchedule(),
    hooks: Hooks | None = None,
    command: str = "",
    title: str = "",
) -> Path:
    """Train `recipe` on `data` into a new run folder and return its path.

    `data` is a source such as "mnist" or "folder:DIR", or an open data set. `steps` are iterations
    in all; `budget_minutes` counts training alone; with neither, 10 minutes. `out` defaults to the
    first free `runs/METHOD-DATA-sSEED[-N]`. On a GPU `exact` trains with deterministic kernels, so
    that runs repeat bit for bit, and `graphs` lets iterations be CUDA graphs. Raises `UserError`
    before anything is written where recipe and data do not fit, `NonFiniteError` where numbers stop
    being finite.
    """
    processes, device = join(device)
    goal = goal_of(steps, budget_minutes)
    if isinstance(data, str):
        data = processes.in_turn(partial(open_data, data))
    with processes.all_or_none():
        require_fit(recipe, data)
        name = recipe.method or "own"
        path = Path(out) if out is not None else free_folder(f"runs/{name}-{data.name}-s{seed}")
        placed = place(device, precision, needs_double_backward(recipe), exact, graphs)
        with torch.random.fork_rng():
            trainer = Trainer(recipe, data, RunFolder(path), seed, placed, schedule)
    path = Path(processes.texts(str(path))[0])
    require_one_game(trainer, goal)
    with torch.random.fork_rng(), ExitStack() as opened:
        with processes.all_or_none():
            folder = trainer.folder = RunFolder(path)
            if processes.first:
                others = pictures.room(data.shape) + REPORT_BYTES
                checkpoint.require_room(path, state_dict.size_in_bytes(trainer.state), others)
                folder = trainer.folder = opened.enter_context(RunFolder.create(path))
                folder.write_facts(_first_facts(trainer, goal, command, title))
        run(trainer, goal, hooks or Hooks())
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
    trust_code: bool = False,
) -> Path:
    """Go on with a run from its newest whole checkpoint, to its own goal or a new one.

    The result is bitwise that of a run never interrupted, on a CPU and in an exact run on a GPU
    (see `facts.identity`). Where that cannot be (another torch, data, recipe, machine arithmetic),
    it is refused with the differences listed, unless `allow_inexact`: then they are said and the
    run is marked. `recipe` and `data` are needed only where run.json cannot rebuild them (ready
    modules, a data set of one's own). Networks that run.json names as `module:Name` are imported
    only with `trust_code`: it may come from someone else.

    `changes` sets keys such as `{"lr": 1e-5}` from here on, which run.json records as a new segment
    (see `segments`). What cannot change in a run is a `UserError`.
    """
    path = Path(path)
    processes, device = join(kind_of_device(path))
    with torch.random.fork_rng(), threads_kept(), ExitStack() as opened:
        with processes.all_or_none():
            first = processes.first
            folder = opened.enter_context(RunFolder.open(path)) if first else RunFolder(path)
            recorded = read_facts(path)
            if processes.count > 1:
                recorded["device"] = device
            asked = steps is not None or budget_minutes is not None
            goal = goal_of(steps, budget_minutes) if asked else None
            given = _Given(recipe, data, changes or {}, allow_inexact, trust_code, say)
            taken = _take_up(folder, recorded, goal, given)
        require_one_game(taken.trainer, taken.goal)
        if first:
            checkpoint.set_aside(folder.checkpoints, taken.checkpoint, say)
            folder.cut_history(taken.trainer.iteration, say)
            if (recorded.get("status") or {}).get("state") in ("running", "interrupted"):
                say(f"{path} was interrupted; going on from step {taken.trainer.iteration}")
            folder.update_facts(**taken.facts)
        run(taken.trainer, taken.goal, hooks or Hooks())
    return path


@dataclass(frozen=True)
class _Given:
    """What `resume` is given beside a goal."""

    recipe: Recipe | None
    data: Dataset | None
    changes: Mapping[str, Any]
    allow_inexact: bool
    trust_code: bool
    say: Callable[[str], None]


@dataclass(frozen=True)
class _TakenUp:
    """A run as it goes on: its trainer with the state of `checkpoint`, its goal, and what of
    run.json is new."""

    trainer: Trainer
    goal: Goal
    checkpoint: Path
    facts: dict[str, Any]


def _take_up(
    folder: RunFolder, recorded: dict[str, Any], asked: Goal | None, given: _Given
) -> _TakenUp:
    """The run of `recorded` from its newest whole checkpoint, to the goal `asked` or its own.
    Writes nothing."""
    path, where, say = folder.path, folder.path / "run.json", given.say
    before = recorded_goal(recorded["goal"])
    goal = before if asked is None else asked
    found_at, found = checkpoint.load_newest(folder.checkpoints, say, checkpoint.OF_A_STATE)
    with named_in(f"{where}: segments"):
        settings = recorded_settings(recorded, path, given.recipe, given.trust_code, say)
        was, kept = segments.back_to(
            settings, recorded.get("segments", []), segments.turn_of(found), say
        )
    now = segments.changed(was, given.changes)
    known = given.recipe or recorded["recipe"]
    require_trusted(now.recipe, where, given.trust_code, say, given=known)
    trainer = rebuilt(recorded, folder, now, given.data)
    with named_in(f"{where}: segments"):
        differences = segments.unlike(recorded, found, trainer, was, kept)
    _accept(path, differences, given.allow_inexact, say)
    try:
        trainer.restore(found)
    except CheckpointError as error:
        raise CheckpointError(f"{found_at}: {error}") from None
    if goal.steps is not None and goal.steps < trainer.iteration:
        raise UserError(f"--steps {goal.steps}: {path} is at step {trainer.iteration} already")
    spent = trainer.seconds
    if goal != before and goal.budget_seconds is not None and goal.budget_seconds < spent:
        said = f"--budget {goal.budget_seconds:g}s"
        raise UserError(f"{said}: {path} has trained for {spent:.1f} s already")
    if goal != before:
        _require_rates(path, trainer, goal)
    kept += segments.begun(path, trainer, was, now, goal)
    marks = [*recorded.get("inexact", []), *differences]
    new: dict[str, Any] = {"goal": goal.as_facts(), "inexact": sorted(set(marks)),
                           "processes": trainer.processes.count}  # fmt: skip
    if kept or recorded.get("segments"):
        new |= {"segments": kept, "recipe": now.recipe.model_dump(mode="json"),
                "cadence": now.schedule.model_dump()}  # fmt: skip
    return _TakenUp(trainer, goal, found_at, new)


def _require_rates(path: Path, trainer: Trainer, goal: Goal) -> None:
    """Refuse a goal most of whose way would be at a learning rate of 0, which moves no weight."""
    recipe, seen = trainer.recipe, trainer.images
    if 0 not in (recipe.d_optimizer.lr_end, recipe.g_optimizer.lr_end):
        return
    if goal.steps is not None:
        more = (goal.steps - trainer.iteration) * recipe.images_in(trainer.iteration)
    else:
        assert goal.budget_seconds is not None  # a goal has one of the two
        more = round((goal.budget_seconds / max(trainer.seconds, 1e-9) - 1) * seen)
    if more <= 2 * max(0, recipe.horizon_images - seen):
        return
    raise UserError(
        f"{path}: its learning rates fall to 0 by {recipe.horizon_images:,} images and it has seen "
        f"{seen:,}, so most of more training would change nothing; let them end later: "
        f"horizon_images={seen + more}"
    )


def recorded_settings(
    recorded: dict[str, Any],
    path: Path,
    recipe: Recipe | None,
    trust_code: bool,
    say: Callable[[str], None],
) -> segments.Settings:
    """What run.json says of recipe and schedule; a `recipe` that is given is brought up to it."""
    schedule = recorded_schedule(recorded, path)
    if recipe is None:
        import_members(recorded["recipe"], path / "run.json", trust_code, say)
        return segments.Settings(read_recipe(recorded["recipe"], path / "run.json"), schedule)
    return segments.after(segments.Settings(recipe, schedule), recorded.get("segments", []))


def seconds_spent(path: str | Path) -> float:
    """The training time, in seconds, of a run up to its newest whole checkpoint."""
    folder, needs = Path(path) / "checkpoints", checkpoint.OF_A_STATE
    _, found = checkpoint.load_newest(folder, lambda text: None, needs)
    return float(found.info("seconds"))


def run(trainer: Trainer, goal: Goal, hooks: Hooks) -> None:
    """Run to `goal` and keep the run's status in run.json, however it ends.

    Of several processes the first one follows, measures and writes; all of them may be asked to
    stop.
    """
    processes = trainer.processes
    if not processes.first:
        trainer.run(goal, Hooks(stop=hooks.stop))
        return
    with RunStatus(trainer):
        trainer.run(goal, hooks if processes.count == 1 else hooks_apart(hooks, processes))


def hooks_apart(hooks: Hooks, processes: Processes) -> Hooks:
    """`hooks` that compute in this process alone: the others are not asked for their shares."""

    def apart(hook: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            with processes.apart():
                return hook(*arguments)

        return call

    return Hooks(
        apart(hooks.on_iteration), hooks.stop, apart(hooks.on_stage), apart(hooks.evaluate)
    )


def require_one_game(trainer: Trainer, goal: Goal) -> None:
    """Raise `UserError` in all processes where one has other settings, data or versions."""
    processes = trainer.processes
    own = {"goal": goal.as_facts(), **trainer.info()["identity"]}
    first, *others = map(json.loads, processes.texts(json.dumps(own)))
    for rank, other in enumerate(others, 1):
        if found := facts.differences(first, other):
            raise UserError(
                f"process {rank} is not of this run (first process -> process {rank}): "
                f"{'; '.join(found)}; start all with the same command, data and versions"
            )


def require_fit(recipe: Recipe, data: Dataset) -> None:
    """Raise `UserError` where `recipe` cannot be trained on `data`."""
    name = recipe.method or "this recipe"
    if problem := recipe.networks.incompatibility(data.shape):
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
    recipe, players = trainer.recipe, trainer.state.players
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
        "device": str(trainer.device_config.device),
        "arithmetic": trainer.device_config.arithmetic,
        "precision": trainer.device_config.precision,
        "memory_format": trainer.device_config.memory_format_name,
        "exact": trainer.device_config.exact,
        "graphs": trainer.device_config.graphs,
        "threads": torch.get_num_threads(),
        "processes": trainer.processes.count,
        "versions": facts.versions(),
        "parameters": {
            n: sum(w.numel() for w in p.parameters) for n, p in players.items() if not p.weights_of
        },
        "signal_titles": recipe.titles_of_signals(),
        "cadence": trainer.schedule.model_dump(),
        "goal": goal.as_facts(),
        "inexact": [],
    }


def rebuilt(
    recorded: dict[str, Any], folder: RunFolder, settings: segments.Settings, data: Dataset | None
) -> Trainer:
    """The trainer that run.json describes, at its start. Sets the run's thread count, which
    `threads_kept` gives back."""
    recipe = settings.recipe
    if data is None:
        data = recorded_data(recorded, folder.path)
    torch.set_num_threads(recorded["threads"])
    device = device_or_auto(recorded["device"])
    penalised = needs_double_backward(recipe)
    placed = place(
        device,
        recorded["precision"],
        penalised,
        recorded.get("exact", False),
        recorded.get("graphs", True),
        # what runs had before they recorded it
        recorded.get("memory_format") or ("contiguous" if penalised else "channels_last"),
    )
    with named_in(f"{folder.path / 'run.json'}"):
        require_fit(recipe, data)
        return Trainer(recipe, data, folder, recorded["seed"], placed, settings.schedule)


@contextmanager
def threads_kept() -> Iterator[None]:
    """Give the caller its own number of torch threads back at the end."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)


def kind_of_device(run: Path) -> str:
    """What `join` is to give each process of a run that goes on: cpu, or a GPU of its own."""
    return str(read_facts(run)["device"]).partition(":")[0]


def device_or_auto(name: str) -> str:
    """The recorded device, or what there is here; resume then lists the difference."""
    try:
        return str(find_device(name))
    except UserError:
        return "auto"


def _accept(path: Path, differences: list[str], allowed: bool, say: Callable) -> None:
    if differences and not allowed:
        raise UserError(
            f"{path}: cannot go on exactly: {'; '.join(differences)}; --allow-inexact goes on all "
            "the same and marks the report"
        )
    for difference in differences:
        say(f"inexact: {difference}")
