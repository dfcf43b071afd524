"""Segments: a run whose settings are changed when it is resumed, each change recorded.

run.json holds the recipe of now and `segments`, one for each resume that changed something: the
step and images from which on it holds, and the old and new value of each key. So the recipe of any
step can be told, and a checkpoint of before the change is known for one of this run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steadygan.data import DataSettings
from steadygan.errors import UserError, did_you_mean
from steadygan.game.recipe import Recipe
from steadygan.recipes.overrides import flat, keys_of, override
from steadygan.spec import checked
from steadygan.training import facts
from steadygan.training.checkpoint import Checkpoint
from steadygan.training.goals import Goal, LogSchedule
from steadygan.training.recorded import recipe_now

if TYPE_CHECKING:
    from steadygan.training.loop import Trainer

#: Why a recipe's own keys stay as they were, by the key or by what it begins with.
FIXED = {
    "method": "a run is of one method",
    "networks": "networks are built when a run starts",
    "prior": "G has learnt to read latents of this prior",
    "batch": "the order of the data is counted in batches of this size",
    "objective": "D's scores mean what this objective has made of them (its own keys may change)",
    "d_optimizer": "moments belong to a kind of optimizer (its own keys may change)",
    "g_optimizer": "moments belong to a kind of optimizer (its own keys may change)",
}
#: What belongs to the whole run, and why it stays.
OF_THE_RUN = {
    "threads": "the number of threads decides a run's bits",
    "precision": "the precision decides a run's bits",
    "exact": "it decides a run's bits",
    "graphs": "it belongs to the whole run",
    "preset": "a preset sets networks as well: give its other keys one by one",
    "generator": FIXED["networks"],
    "discriminator": FIXED["networks"],
}
DATA = "a run goes on with the data that it began with"


@dataclass(frozen=True)
class Settings:
    """What a segment may change: the recipe, and how often the run logs and saves."""

    recipe: Recipe
    schedule: LogSchedule

    def flat(self) -> dict[str, Any]:
        """Every setting by the key that sets it, as JSON."""
        return flat(self.recipe) | self.schedule.model_dump(mode="json")

    def with_(self, changes: Mapping[str, Any]) -> Settings:
        """A copy with each key of `changes` set; an unknown one names the nearest."""
        recipe, schedule = self.recipe, dict(self.schedule)
        for key, value in changes.items():
            if key in LogSchedule.model_fields:
                schedule[key] = value
            elif (changed := override(recipe, key, value)) is not None:
                recipe = changed
            else:
                near = did_you_mean(key, [*keys_of(recipe), *LogSchedule.model_fields])
                raise UserError(f"{key}={value}: this run has no key '{key}'{near}")
        where = " ".join(f"{k}={v}" for k, v in changes.items())
        return Settings(recipe, checked(where, LogSchedule, **schedule))


def differences(old: Settings, new: Settings) -> dict[str, list[Any]]:
    """`key: [old, new]` for every setting that is not the same; None where one has no such key."""
    before, after = old.flat(), new.flat()
    keys = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    return {key: [before.get(key), after.get(key)] for key in keys}


def changed(old: Settings, changes: Mapping[str, Any]) -> Settings:
    """`old` with the keys that a running game can change set; a `UserError` says why not."""
    for key, value in changes.items():
        why = DATA if key in DataSettings.model_fields else OF_THE_RUN.get(key)
        if why:
            raise UserError(f"{key}={value}: cannot change in a run: {why}; start a new one")
    new = old.with_(changes)
    asked = " ".join(f"{key}={value}" for key, value in changes.items())
    for key in differences(old, new):
        if why := _fixed(old.recipe, new.recipe, key):
            raise UserError(f"{asked}: {key} cannot change in a run: {why}; start a new one")
    return new


def _fixed(old: Recipe, new: Recipe, key: str) -> str | None:
    """Why `key` of a recipe cannot change in a run, or None."""
    head, _, field = key.partition(".")
    if key in FIXED or head in ("networks", "prior"):
        return FIXED[head]
    parts = {part.name: part for part in (*old.parts(), *new.parts())}
    if key in parts:
        return "parts are given their state and their layers when a run starts"
    if head in parts and field in parts[head].fixed:
        return "the state or the layers of this part were built with it"
    own = set(type(old).model_fields) - set(Recipe.model_fields) - old.changeable
    if head in own:
        return "this method builds or trains something with it when a run starts"
    return None


# ---- the record ------------------------------------------------------------------------------


def back_to(
    now: Settings, segments: list[dict[str, Any]], step: int, say: Callable[[str], None]
) -> tuple[Settings, list[dict[str, Any]]]:
    """Settings and segments of a run as they were at `step`: what was changed later is undone, and
    said. That is where the checkpoints since the change are lost."""
    kept = list(segments)
    while kept and kept[-1]["step"] > step:
        undone = kept.pop()
        now = _before(now, undone)
        given = " ".join(f"{key}={_typed(new)}" for key, (_, new) in undone["changed"].items())
        say(f"back at step {step}, before step {undone['step']} from which {given} held: give it "
            "again to have it")  # fmt: skip
    return now, kept


def taken_up(now: Settings, segments: list[dict[str, Any]], step: int) -> Iterator[Recipe]:
    """The recipes that a checkpoint of `step` may have been made with: the one of now, and those of
    before the changes made at this very step."""
    yield now.recipe
    for segment in reversed(segments):
        if segment["step"] != step:
            return
        now = _before(now, segment)
        yield now.recipe


def _before(now: Settings, segment: dict[str, Any]) -> Settings:
    return now.with_({key: old for key, (old, _) in segment["changed"].items()})


def after(given: Settings, segments: list[dict[str, Any]]) -> Settings:
    """`given`, the settings of a run's first or of its last segment, as they are in the last."""
    for segment in segments:
        given = given.with_({key: new for key, (_, new) in segment["changed"].items()})
    return given


def turn_of(found: Checkpoint) -> int:
    """The step that a checkpoint is of."""
    return int(found.tensors.get("counters/turn", 0))


def unlike(
    recorded: dict[str, Any], found: Checkpoint, trainer: Trainer, was: Settings,
    segments: list[dict[str, Any]],
) -> list[str]:  # fmt: skip
    """How the identity of a checkpoint differs from what is here. `was` are the settings before
    any change that is asked for now, which is no difference."""
    known = {**found.info("identity"), "device": recorded["device"].partition(":")[0]}
    known["recipe"] = recipe_now(known.get("recipe", {}), trainer.folder.path)
    known.setdefault("processes", 1)  # of a time when there was no other number
    here = {**trainer.info()["identity"], "recipe": was.recipe.model_dump(mode="json")}
    for recipe in taken_up(was, segments, turn_of(found)):
        if not facts.differences(known["recipe"], recipe.model_dump(mode="json")):
            known["recipe"] = here["recipe"]
            break
    return facts.differences(known, here)


def begun(
    path: Path, trainer: Trainer, was: Settings, now: Settings, goal: Goal
) -> list[dict[str, Any]]:
    """The segment that begins with `now` where the run stands; none where nothing has changed."""
    changes = differences(was, now)
    if not changes:
        return []
    lengths = {stage: now.recipe.stage_length(stage) for stage in trainer.stage_steps}
    stage = next((s for s, done in trainer.stage_steps.items() if done < lengths[s]), None)
    if stage is not None:
        raise UserError(
            f"{path} is in its pre-training stage '{stage}': settings can change after it"
        )
    if goal.reached(trainer.iteration, trainer.seconds):
        raise UserError(
            f"{path} has reached its goal at step {trainer.iteration}: say how much longer it "
            "shall train with these settings, such as --more 5m"
        )
    return [{"step": trainer.iteration, "images": trainer.images, "changed": changes}]


def _typed(value: Any) -> str:
    """A value as one types it."""
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
