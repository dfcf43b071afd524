"""Games small enough to play in milliseconds, for tests: `from tiny import ...`."""

from __future__ import annotations

import zlib
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from steadygan.data import Dataset, DataSettings, Split
from steadygan.game.context import StepContext
from steadygan.game.inputs import RealBatch, StepInputs
from steadygan.game.player import Player
from steadygan.game.recipe import Recipe
from steadygan.game.state import GameState
from steadygan.recipes.overrides import override
from steadygan.training.loop import Trainer
from steadygan.training.precision import DeviceConfig
from steadygan.training.runfolder import RunFolder

IMAGE, GREY, POINT = (3, 32, 32), (1, 28, 28), (2,)

#: Set where a recipe has the key. 8 rather than 4: a layer of 4 ReLUs can be dead at the start.
SMALL = {
    "batch": 8, "width": 4, "hidden": 16, "q_hidden": 8, "d_width": 8, "g_width": 8, "d_pieces": 2,
    "prior.dim": 8, "label_dim": 8, "autoencoder_steps": 4, "feature_batches": 2, "side": 32,
    "mixed": 4,
}  # fmt: skip


def shrunk(recipe: Recipe, **keys: object) -> Recipe:
    """`recipe` with tiny networks and batches, and `keys` set on top."""
    small = dict(SMALL)
    if len({"d_width", "depth"} & set(type(recipe.networks).model_fields)) == 2:
        small["width"] = 16  # fully connected layers: 4 units would say nothing
    if getattr(recipe.networks, "hidden", 1) == 0:  # it has no such layer, and shall have none
        del small["hidden"]
    for key, value in {**small, **keys}.items():
        changed = override(recipe, key, str(value))
        assert changed is not None or key in SMALL, key
        recipe = changed or recipe
    return recipe


def size_of(recipe: Recipe, shape: tuple[int, ...]) -> int:
    """How many parameters the recipe's networks have for data of `shape`."""
    with torch.device("meta"):
        built = recipe.networks.build(shape, recipe.prior.dim)
    return sum(p.numel() for network in built.values() for p in network.parameters())


def dataset(shape: tuple[int, ...] = IMAGE, train: int = 32, test: int = 16) -> Dataset:
    """Smooth random images (or points on a ring) in memory, of 4 classes."""
    random = np.random.RandomState(0)
    count = train + test
    labels = np.arange(count) % 4
    if len(shape) == 1:
        angle = 2 * np.pi * labels / 4
        centres = np.zeros((count, *shape), np.float32)
        centres[:, 0], centres[:, 1] = np.cos(angle), np.sin(angle)
        items = (centres + 0.05 * random.standard_normal(centres.shape)).astype(np.float32)
    else:
        waves = np.linspace(0, 3, shape[-1])[None, :] + labels[:, None]
        flat = np.sin(waves)[:, None, None, :] * np.ones((count, *shape))
        items = np.clip(128 + 100 * flat + 10 * random.standard_normal(flat.shape), 0, 255)
        items = items.astype(np.uint8)
    return Dataset(
        name="tiny", spec="tiny", shape=shape,
        train=Split(items[:train], labels[:train].astype(np.int64)),
        test=Split(items[train:], labels[train:].astype(np.int64)),
        class_names=("a", "b", "c", "d"), fingerprint="0" * 64, settings=DataSettings(),
    )  # fmt: skip


def trainer(
    recipe: Recipe, shape: tuple[int, ...] = IMAGE, seed: int = 0, folder: Path = Path("unused")
) -> Trainer:
    """A trainer on `dataset(shape)`, on the CPU in float32; nothing is written to `folder`."""
    device_config = DeviceConfig(torch.device("cpu"), "fp32", torch.contiguous_format)
    return Trainer(recipe, dataset(shape), RunFolder(folder), seed, device_config)


def play(game: Trainer, iterations: int) -> None:
    """All pre-training stages, and then so many iterations, settled."""
    for stage in game.recipe.stages:
        while game.stage_steps[stage] < game.recipe.stage_length(stage):
            game.take_stage_step(stage)
    for _ in range(iterations):
        game.iterate()
    game.settle()


def started(recipe: Recipe, shape: tuple[int, ...] = IMAGE, seed: int = 0) -> GameState:
    """What `recipe.start` makes from `seed`."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return recipe.start(shape, classes=4)


def inputs(recipe: Recipe, shape: tuple[int, ...] = IMAGE, seed: int = 0) -> StepInputs:
    """Inputs with one random real batch, and streams keyed by `seed` and their name."""
    random = torch.Generator().manual_seed(seed)
    real = torch.rand(recipe.batch, *shape, generator=random) * 2 - 1
    return StepInputs(
        real=lambda: RealBatch(real, torch.arange(recipe.batch) % 4, torch.arange(recipe.batch)),
        generator=lambda name: torch.Generator().manual_seed(zlib.crc32(name.encode()) + seed),
        autocast=nullcontext,
        device=torch.device("cpu"),
    )


def context(
    recipe: Recipe, player: str, shape: tuple[int, ...] = IMAGE, seed: int = 0, **more: object
) -> StepContext:
    """A step of a game that starts from `seed`."""
    return StepContext(
        recipe, started(recipe, shape, seed), player, inputs(recipe, shape, seed), **more
    )


def run_facts(**changes: object) -> dict:
    """run.json of a run that nothing trained."""
    return {
        "method": "gan", "recipe": {}, "seed": 0, "device": "cpu", "precision": "fp32",
        "threads": 1, "goal": {"steps": 9},
        "data": {"spec": "tiny", "shape": list(GREY), "settings": {}}, **changes,
    }  # fmt: skip


def go_on(update: object) -> None:
    """A guard that lets every step be taken."""


def parameters(player: Player) -> dict[str, Tensor]:
    """A copy of a player's parameters by name."""
    return {name: p.detach().clone() for name, p in player.named_parameters().items()}


def moments(player: Player) -> dict[str, Tensor]:
    """A copy of a player's optimizer state by name."""
    return {name: value.clone() for name, value in player.optimizer_tensors().items()}


def buffers(module: torch.nn.Module) -> dict[str, Tensor]:
    """A copy of a module's buffers by name."""
    return {name: value.clone() for name, value in module.named_buffers()}


def differing(one: dict[str, Tensor], other: dict[str, Tensor]) -> list[str]:
    """The names that only one has, or whose tensors are not equal bit for bit."""
    odd = set(one) ^ set(other)
    return sorted(odd | {n for n in set(one) & set(other) if not torch.equal(one[n], other[n])})


class Shapes(TorchDispatchMode):
    """The shape of every tensor that is made inside."""

    def __init__(self):
        super().__init__()
        self.seen = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        for each in made if isinstance(made, (tuple, list)) else [made]:
            if isinstance(each, torch.Tensor):
                self.seen.add(tuple(each.shape))
        return made
