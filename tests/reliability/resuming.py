"""R1 to R3: a run that was cut goes on bit for bit, and nothing that matters lies outside."""

from __future__ import annotations

import functools
import random
import types
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from steadygan.game.recipe import Recipe
from steadygan.networks.projected import ProjectedTrunk
from steadygan.training import Hooks, Stopped, Trainer, checkpoint, resume, state_dict, train
from tests.reliability import children, games

STEPS = 40
STAGED = "staged"
SUBJECTS = (*games.METHODS, STAGED)
#: Three kinds of game for R3: a list of parts, one with memory of its own, one with stages.
KINDS = ("wgan-gp", "began", STAGED)
#: What a trainer holds beside its state: the data set (in the fingerprint), what the last turn saw
#: (dealt anew each turn, for the log), and the copies that a failure file is made of.
OUTSIDE = {"data", "last", "guard"}
#: Tensors that follow from a network's sizes and never change: R3GAN's resampling, and where a 3x3
#: kernel comes in one of 4x4.
CONSTANT = "._buffers.[matrix]", "._buffers.[places]"


def recipe_of(subject: str) -> Recipe:
    if subject == STAGED:
        from tests.reliability import staged

        return staged.recipe()
    return games.small(subject)


def stop_at(step: int) -> Hooks:
    """Hooks that stop a run once it has done so many steps, those of stages included."""
    done = {"steps": 0}

    def count(trainer: Trainer) -> None:
        done["steps"] = trainer.iteration + sum(trainer.stage_steps.values())

    def stop() -> Stopped | None:
        return Stopped("stopped for a test", 75) if done["steps"] >= step else None

    return Hooks(count, stop)


def trained(
    subjects: Iterable[str],
    folder: Path,
    until: int | None,
    precision: str = "fp32",
    steps: int = STEPS,
) -> None:
    """In a child: start or go on with each subject's run, to its end or to step `until`."""
    for subject in subjects:
        recipe, run = recipe_of(subject), folder / subject
        hooks = Hooks() if until is None else stop_at(until)
        try:
            if checkpoint.listed(run / "checkpoints"):
                resume(run, recipe=recipe, data=games.images(), hooks=hooks, say=games.quiet)
            else:
                train(recipe, games.images(), out=run, steps=steps, seed=3, device="cpu",
                      precision=precision, hooks=hooks)  # fmt: skip
        except Stopped:
            pass


def exact_resume(
    cuts: Iterable[tuple[int, ...]],
    folder: Path,
    tick: Callable[[], None] = lambda: None,
    subjects: Iterable[str] = SUBJECTS,
    steps: int = STEPS,
) -> int:
    """R1: runs of `steps` turns cut at the steps of each of `cuts`, each piece in a process of its
    own, end as the uninterrupted runs do."""
    subjects, done = list(subjects), 0
    rest = ("fp32", steps)
    assert children.run(trained, subjects, folder / "whole", None, *rest, folder=folder) == 0
    for cut in cuts:
        pieces = folder / "-".join(map(str, cut))
        for until in (*cut, None):
            assert children.run(trained, subjects, pieces, until, *rest, folder=folder) == 0
            if until is not None:
                stopped_at = {s: games.whole_state(pieces / s)[1] for s in subjects}
                assert all(steps_in(t) == until for t in stopped_at.values()), (cut, until)
        for subject in subjects:
            games.same_end(pieces / subject, folder / "whole" / subject)
            done += 1
            tick()
    return done


def steps_in(tensors: dict[str, Tensor]) -> int:
    named = {k: int(v) for k, v in tensors.items() if k.startswith("counters/")}
    return sum(v for k, v in named.items() if k == "counters/turn" or "/stage " in k)


# ---- R2: nothing outside ----------------------------------------------------------------------

PLAIN = (str, bytes, int, float, complex, bool, type(None), type, types.ModuleType, Path,
         torch.device, torch.dtype, torch.memory_format)  # fmt: skip


def reachable(root: object, skip: frozenset[int] = frozenset()) -> Iterator[tuple[str, object]]:
    """Everything with memory (tensors, arrays, generators) that can be reached, with its path."""
    seen, stack = set(skip), [("", root)]
    while stack:
        path, here = stack.pop()
        if id(here) in seen or isinstance(here, PLAIN):
            continue
        seen.add(id(here))
        if isinstance(here, (Tensor, np.ndarray, torch.Generator, random.Random)):
            yield path, here
        stack += [(f"{path}.{name}", inner) for name, inner in inside(here)]


def inside(here: object) -> Iterator[tuple[str, object]]:
    if isinstance(here, dict):
        yield from ((f"[key {k!s:.40}]", k) for k in here)
        yield from ((f"[{k!s:.40}]", v) for k, v in here.items())
    elif isinstance(here, (list, tuple, set, frozenset)):
        yield from ((str(i), v) for i, v in enumerate(here))
    elif isinstance(here, types.FunctionType):
        cells = here.__closure__ or ()
        yield from ((f"closure {i}", c.cell_contents) for i, c in enumerate(cells))
        yield "defaults", here.__defaults__
    elif isinstance(here, types.MethodType):
        yield "self", here.__self__
        yield "func", here.__func__
    elif isinstance(here, functools.partial):
        yield from (("func", here.func), ("args", here.args), ("keywords", here.keywords))
    else:
        if isinstance(here, Tensor) and here.is_leaf and here.grad is not None:
            yield "grad", here.grad
        yield from (getattr(here, "__dict__", None) or {}).items()
        for slot in getattr(type(here), "__slots__", ()) or ():
            if isinstance(slot, str) and hasattr(here, slot):
                yield slot, getattr(here, slot)


def nothing_outside(trainer: Trainer) -> int:
    """R2: every tensor reachable from a trainer is in what it saves; how many there are."""
    saved = {t.untyped_storage().data_ptr() for t in trainer.gathered().values()}
    left_out = frozenset(id(value) for name, value in vars(trainer).items() if name in OUTSIDE)
    # A pretrained network that D looks through is no weight of the run: named by its hash.
    left_out |= {id(module.frozen) for network in trainer.state.networks().values()
                 for module in network.modules() if isinstance(module, ProjectedTrunk)}  # fmt: skip
    found = list(reachable(trainer, left_out))
    lost = [
        path for path, thing in found
        if not path.endswith(CONSTANT)
        and not (isinstance(thing, Tensor) and thing.untyped_storage().data_ptr() in saved)
    ]  # fmt: skip
    assert not lost, f"{len(lost)} tensors are in no checkpoint: {lost[:3]}"
    assert len(found) >= len(saved) - len(trainer.counters())
    return len(found)


def walked(subject: str, folder: Path) -> None:
    """In a child: R2 in a stage, after some turns, and after a restore, counters included."""
    recipe = recipe_of(subject)
    trainer = games.trainer_of(recipe, folder / "a")
    for stage in recipe.stages:
        for _ in range(5):
            trainer.take_stage_step(stage)
        nothing_outside(trainer)
    for _ in range(3):
        trainer.iterate()
    nothing_outside(trainer)
    trainer.log(with_samples=True)
    nothing_outside(trainer)
    again = games.trainer_of(recipe, folder / "b")
    again.restore(checkpoint.load(trainer.save()))
    nothing_outside(again)
    mine, theirs = numbers(trainer), numbers(again)
    assert mine == theirs, f"{subject}: counters {mine} came back as {theirs}"


def numbers(trainer: Trainer) -> dict[str, object]:
    """Every number a trainer remembers, less where it stands inside a turn."""
    kept = {k: v for k, v in vars(trainer).items() if isinstance(v, (int, float, str))}
    return {**kept, "stage_steps": trainer.stage_steps, "draws": trainer.source.draws}


# ---- R3: each group counts --------------------------------------------------------------------


def groups_of(names: Iterable[str]) -> list[str]:
    """The groups of a checkpoint, and each counter on its own."""
    names = list(names)
    alone = [name for name in names if name.startswith("counters/")]
    return [*(g for g in state_dict.groups(names) if g != "counters"), *alone]


def play_on(trainer: Trainer, iterations: int) -> None:
    """The rest of the stages and `iterations` iterations, without logs and pictures."""
    for stage in trainer.recipe.stages:
        while trainer.stage_steps[stage] < trainer.recipe.stage_length(stage):
            trainer.take_stage_step(stage)
    for _ in range(iterations):
        trainer.iterate()


def dropping(subject: str, folder: Path, more: int = 2) -> list[str]:
    """In a child: R3; go on from step 17 without one group at a time. Groups whose loss no
    comparison would show are an assertion error."""
    recipe, cut = recipe_of(subject), 17
    whole = games.trainer_of(recipe, folder / "whole")
    play_on(whole, cut)
    found = checkpoint.load(whole.save())
    play_on(whole, more)
    expected = {k: v.clone() for k, v in whole.gathered().items()}

    def end_without(group: str | None, place: Path) -> dict[str, Tensor]:
        trainer = games.trainer_of(recipe, place)
        fresh = {k: v.clone() for k, v in trainer.gathered().items()}
        kept = {k: v for k, v in found.tensors.items() if not in_group(k, group)}
        kept |= {k: v for k, v in fresh.items() if in_group(k, group)}
        trainer.restore(checkpoint.Checkpoint(kept, found.metadata))
        play_on(trainer, more)
        return trainer.gathered()

    assert games.unlike(end_without(None, folder / "control"), expected) == []
    groups = groups_of(found.tensors)
    for i, group in enumerate(groups):
        odd = games.unlike(end_without(group, folder / f"drop-{i}"), expected)
        felt = [name for name in odd if not in_group(name, group)]
        assert odd, f"{subject}: without {group} the comparison still passes"
        spent = ("average", *(f"counters/draws {stage}" for stage in recipe.stages))
        assert felt or group in spent, f"{subject}: only {group} itself differs without it"
    return groups


def in_group(name: str, group: str | None) -> bool:
    return group is not None and (name == group or name.startswith(f"{group}/"))
