"""Tiny games for the fault tests: every method on 200 images of 16 pixels, in milliseconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from steadygan.data import DataSettings
from steadygan.data.dataset import Dataset, from_rows
from steadygan.game.recipe import Recipe
from steadygan.methods import methods
from steadygan.recipes.overrides import override
from steadygan.training import Goal, Hooks, LogSchedule, Trainer, checkpoint
from steadygan.training.loop import needs_double_backward
from steadygan.training.precision import place
from steadygan.training.runfolder import RunFolder, read_history
from steadygan.training.runs import _first_facts

#: Keys that make a game small, each for the recipes that have it.
SMALL = {"batch": 8, "width": 4, "d_width": 4, "hidden": 8, "q_hidden": 8, "stages": 2,
         "kernel": 4, "prior.dim": 8, "label_dim": 8, "autoencoder_steps": 12,
         "feature_batches": 8, "z_width": 8, "y_width": 8, "g_width": 8,
         "d_y_width": 4, "side": 32, "mixed": 4}  # fmt: skip
#: Training images: 25 batches an epoch, so that 17 of 40 turns stop inside an epoch.
IMAGES = 200
METHODS = tuple(methods())


def images(count: int = IMAGES, held_out: int = 60, labels: bool = True) -> Dataset:
    """Smooth random pictures, (1, 16, 16) uint8; a data set of one's own."""
    random = np.random.RandomState(0)
    coarse = random.randint(0, 256, (count + held_out, 1, 4, 4)).astype(np.uint8)
    items = coarse.repeat(4, 2).repeat(4, 3)
    facts = {"train": count, "class_names": ["a", "b"] if labels else None, "quarantine": []}
    classes = np.arange(len(items), dtype=np.int64) % 2 if labels else None
    return from_rows("tiny", "tiny", items, classes, {**facts, "fingerprint": f"tiny {count}"},
                     DataSettings())  # fmt: skip


#: Methods that are another one's networks and steps with another loss or one part more.
SIBLINGS = ("feature-matching", "lsgan", "multiclass-gan", "ragan", "sagan-js",
            "sagan-wasserstein", "sngan-dl2", "sngan-gl2")  # fmt: skip


def small(method: str | Recipe, shape: tuple[int, ...] = (1, 16, 16), **keys: object) -> Recipe:
    """A method's recipe, tiny."""
    recipe = methods()[method].fitted(shape) if isinstance(method, str) else method
    small = dict(SMALL)
    if getattr(recipe.networks, "hidden", 1) == 0:  # it has no such layer, and shall have none
        del small["hidden"]
    for key, value in {**small, **keys}.items():
        recipe = override(recipe, key, value) or recipe
    return recipe


def trainer_of(recipe: Recipe, folder: Path, data: Dataset | None = None, seed: int = 0,
               schedule: LogSchedule = LogSchedule()) -> Trainer:  # fmt: skip
    """A trainer in a new run folder (left unlocked), for tests that look inside."""
    torch.set_num_threads(1)
    run = RunFolder.create(folder)
    run.close()
    placed = place("cpu", "fp32", needs_double_backward(recipe))
    trainer = Trainer(recipe, data or images(), run, seed, placed, schedule)
    run.write_facts(_first_facts(trainer, Goal(steps=1), "", ""))
    return trainer


def whole_state(run: Path) -> tuple[Path, dict[str, torch.Tensor]]:
    """The newest checkpoint of a finished run, which must be whole, and its tensors."""
    newest = checkpoint.listed(run / "checkpoints")[0]
    return newest, checkpoint.load(newest).tensors


def unlike(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> list[str]:
    """Names of the tensors that are not equal bit for bit, NaN and signed zeros included."""
    missing = sorted(set(a) ^ set(b))
    return missing + [name for name in sorted(set(a) & set(b)) if not same_bits(a[name], b[name])]


def same_bits(a: torch.Tensor, b: torch.Tensor) -> bool:
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    return a.contiguous().numpy().tobytes() == b.contiguous().numpy().tobytes()


def same_end(run: Path, reference: Path) -> None:
    """Both runs ended in the same state, bit for bit, and wrote the same history."""
    (a, ours), (b, theirs) = whole_state(run), whole_state(reference)
    assert a.name == b.name, f"{a} and {b} ended at different steps"
    assert (odd := unlike(ours, theirs)) == [], f"{a}: {len(odd)} tensors differ: {odd[:3]}"
    assert history(run) == history(reference), f"{run}: another history than {reference}"


def history(run: Path) -> list[dict]:
    """History lines without the clock, and without probes, which come when there is time."""
    clocks = ("seconds", "evaluate_seconds", "probe_seconds", "probe")
    return [{k: v for k, v in line.items() if k not in clocks} for line in read_history(run)]


def quiet(_text: str) -> None:
    """Says nothing."""


def no_hooks() -> Hooks:
    return Hooks()
