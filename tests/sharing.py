"""One game in one process and in several, compared: what the tests of sharing start as processes.

    python sharing.py RANK COUNT MEETING_FILE RESULT_FILE faults|- NAME...

Each process computes the games of these names alone and then with the others, in float64, and the
first one writes how far gradients and states are apart, relative to their largest number. With
`faults`, before that, what each process says where one has other settings, a bad batch or other
weights.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from tiny import dataset, shrunk
from torch import Tensor, nn

from steadygan.data import Dataset
from steadygan.errors import SteadyGanError
from steadygan.game.processes import ALONE, Processes
from steadygan.methods import find, methods
from steadygan.parts.replay import Replay
from steadygan.study.compose import compose
from steadygan.training import train
from steadygan.training.joining import here, leave
from steadygan.training.loop import Trainer
from steadygan.training.precision import DeviceConfig
from steadygan.training.runfolder import RunFolder

#: Of every method the default, and what reads a batch as a whole or draws for each sample.
PARTS = {
    "lecam": ("dcgan", "lecam"),
    "minibatch discrimination": ("dcgan", "minibatch-discrimination"),
    "adaptive augmentation": ("dcgan", "ada:p_start=.9"),
    "diffaugment": ("dcgan", "diffaugment"),
    "instance noise": ("dcgan", "instance-noise"),
    "label noise": ("dcgan", "label-noise"),
    "flipped labels": ("dcgan", "label-flip:probability=.5"),
    "consistency": ("dcgan", "consistency:flip=true"),
    "feature matching": ("sngan", "feature-matching"),
    "L2 of means of D": ("sngan", "discriminator-l2:kind=mean"),
    "L2 of means of G": ("sngan", "generator-l2:kind=batch_mean"),
    "L2 to the nearest": ("sngan", "generator-l2:kind=nearest"),
    "historical averaging": ("r3gan", "historical-averaging"),
    "lazy R1": ("sngan", "r1:every=2"),
    "clipped gradients": ("dcgan", "gradient-clip"),
}
GAMES = {**{name: (name, "") for name in methods()}, **PARTS}
ITERATIONS = 2
DCGAN = find("dcgan").recipe
POINTS = shrunk(find("gan").fitted((2,)))


def trainer_of(method: str, part: str, processes: Processes = ALONE, **keys: object) -> Trainer:
    """A tiny game in float64, without the dropout that each process draws for itself."""
    chosen, data = methods()[method], dataset((1, 16, 16))
    recipe = shrunk(compose(chosen, data.shape, {}, [part] if part else [], []), **keys)
    placed = DeviceConfig(torch.device("cpu"), "fp32", torch.contiguous_format)
    trainer = Trainer(recipe, data, RunFolder(Path("unused")), 3, placed, processes=processes)
    for network in trainer.state.networks().values():
        network.double()
        for layer in network.modules():
            if isinstance(layer, nn.Dropout):
                layer.p = 0.0
    return trainer


def played(trainer: Trainer) -> dict[str, Tensor]:
    """Every gradient of a few iterations, and the state after them."""
    found: dict[str, Tensor] = {}
    check = trainer.guard.check

    def watch(result):
        step = f"{len(found)} {result.player.name}"
        found[step] = torch.cat([g.flatten() for g in result.gradients]).clone()
        check(result)

    trainer.guard.check = watch
    for stage in trainer.recipe.stages:
        for _ in range(trainer.recipe.stage_length(stage)):
            trainer.take_stage_step(stage)
    for _ in range(ITERATIONS):
        trainer.iterate()
    return found | {n: t.double().clone() for n, t in trainer.gathered().items() if "states" in n}


def apart(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    """The largest difference, relative to the largest number of its tensor."""
    assert list(one) == list(other)
    found = 0.0
    for name, tensor in one.items():
        size = max(float(tensor.abs().max()), 1e-3)
        found = max(found, float((tensor - other[name]).abs().max()) / size)
    return found


def compared(names: list[str]) -> dict[str, float]:
    """How far each game of these names is from itself in several processes, which send messages as
    they have met."""
    torch.set_default_dtype(torch.float64)
    # Scores are float32 in a game whatever its precision; here they are to have all digits.
    torch.Tensor.float = torch.Tensor.double
    found = {}
    for name in names:
        together, alone = (played(trainer_of(*GAMES[name], p)) for p in (here(), ALONE))
        found[name] = apart(alone, together)
    return found


def faults(folder: Path) -> dict[str, str]:
    """What this process says of each fault."""
    rank = here().rank
    return {
        "settings": said(
            lambda: train(shrunk(DCGAN), dataset(), out=folder / "a", seed=rank, steps=1)
        ),
        "batch": said(lambda: train(shrunk(DCGAN, batch=7), dataset(), out=folder / "b", steps=1)),
        "replay": said(
            lambda: train(shrunk(DCGAN).with_(Replay()), dataset(), out=folder / "c", steps=1)
        ),
        "nan": said(lambda: train(POINTS, points(rank), out=folder / "d", steps=3)),
        "apart": said(lambda: drifting(folder / "e", rank)),
        "fine": said(lambda: train(shrunk(DCGAN), dataset(), out=folder / "f", steps=2)),
        "shares": said(
            lambda: train(shrunk(DCGAN, sync_batchnorm=False), dataset(), out=folder / "g", steps=2)
        ),
    }


def said(act: Callable[[], object]) -> str:
    try:
        act()
    except SteadyGanError as error:
        return f"{error.exit_code} {error}"
    return "done"


def points(rank: int) -> Dataset:
    """Points on a ring, one of which is no number where the second process looks."""
    data = dataset((2,))
    if rank == 1:
        data.train.items[:] = np.nan
    return data


def drifting(out: Path, rank: int) -> None:
    """A run whose second process has a weight of its own after the first step."""

    def moved(trainer: Trainer) -> None:
        with torch.no_grad():
            next(iter(trainer.state.discriminator.parameters())).add_(rank)

    begun = Trainer.iterate

    def iterate(trainer: Trainer) -> None:
        begun(trainer)
        moved(trainer)

    Trainer.iterate = iterate
    try:
        train(shrunk(DCGAN), dataset(), out=out, steps=1)
    finally:
        Trainer.iterate = begun


def main(rank: int, count: int, meeting: str, results: str, what: str, *names: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=count)
    if what == "faults":
        found = faults(Path(results).parent)
        Path(f"{results}{rank}").write_text(json.dumps(found))
    memory = here().memory
    assert memory is not None
    off = {"by memory": compared(list(names))}
    if what == "faults":
        here().memory = None
        off["by torch.distributed"] = compared(list(names))
        here().memory = memory
    leave()
    # Those who meet again have other sockets.
    again = f"file://{meeting} again"
    dist.init_process_group("gloo", init_method=again, rank=rank, world_size=count)
    assert here().memory is not None
    assert here().most(rank) == [count - 1]
    leave()
    if rank == 0:
        Path(results).write_text(json.dumps(off))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
