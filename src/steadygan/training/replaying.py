"""A kept failure, computed again: `replay`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from steadygan.data import Dataset
from steadygan.errors import CheckpointError, NonFiniteError, UserError
from steadygan.game.context import Iteration
from steadygan.game.inputs import BATCH, StepInputs
from steadygan.game.recipe import Recipe
from steadygan.records import named_in
from steadygan.training import checkpoint
from steadygan.training.loop import Trainer
from steadygan.training.recorded import require_trusted
from steadygan.training.runfolder import RunFolder, read_facts
from steadygan.training.runs import rebuilt, recorded_settings, threads_kept


def replay(
    path: str | Path,
    *,
    recipe: Recipe | None = None,
    data: Dataset | None = None,
    say: Callable[[str], None] = print,
    trust_code: bool = False,
) -> str:
    """Repeat the step that stopped a run on non-finite numbers; what was found, in words.

    `recipe`, `data` and `trust_code` as for `resume`.
    """
    path = Path(path)
    kept = checkpoint.listed(path / "failure")
    if not kept:
        raise UserError(
            f"{path}: no failure was kept; only a run that stopped on NaN or Inf has one"
        )
    found = checkpoint.load(kept[0], (*checkpoint.OF_A_STATE, "place"))
    tensors = dict(found.tensors)
    batch = {k: tensors.pop(k) for k in list(tensors) if k.startswith("failure/")}
    with torch.random.fork_rng(), threads_kept():
        recorded, where = read_facts(path), path / "run.json"
        with named_in(f"{where}: segments"):
            settings = recorded_settings(recorded, path, recipe, trust_code, say)
        known = recipe or recorded["recipe"]
        require_trusted(settings.recipe, where, trust_code, say, given=known)
        trainer = rebuilt(recorded, RunFolder(path), settings, data)
        iteration, player, k = found.info("place")
        try:
            trainer.restore(checkpoint.Checkpoint(tensors, found.metadata))
            _require_failure(trainer, player, batch)
        except CheckpointError as error:
            raise CheckpointError(f"{kept[0]}: {error}") from None
        trainer.failure = kept[0]

        def inputs(player: str, k: int) -> StepInputs:
            return _with_batch(trainer.inputs(player, k), batch, trainer)

        check = trainer.guard.check
        try:
            with trainer.computing(), trainer.failures_kept():
                if player in trainer.recipe.stages:
                    again = Iteration(k, trainer.images, inputs, check)
                    trainer.recipe.stage_step(player, trainer.state, again)
                else:
                    again = Iteration(trainer.iteration, trainer.images, inputs, check)
                    context = again.context(trainer.recipe, trainer.state, player, k)
                    if "failure/latents" in batch:
                        context.latent = batch["failure/latents"].to(trainer.device_config.device)
                    trainer.recipe.step(context, check)
        except NonFiniteError as error:
            return f"replayed: {error}"
    return f"step {iteration}, player {player}, step {k}: every number was finite this time"


def _require_failure(trainer: Trainer, player: str, batch: dict[str, Tensor]) -> None:
    """Refuse a kept failure whose player or batch this game does not have."""
    if player not in {*trainer.state.players, *trainer.recipe.stages}:
        raise CheckpointError(f"metadata place: no player or stage {player!r} in this game")
    count, classes = trainer.recipe.batch, trainer.data.classes
    real = (count, *trainer.data.shape)
    latent = trainer.recipe.sampling_prior(classes).sample(1, torch.Generator()).shape[1:]
    known: dict[str, tuple[tuple[int, ...], torch.dtype]] = {
        "real": (real, torch.float32),
        "labels": ((count,), torch.int64),
        "rows": ((count,), torch.int64),
    }
    for name, tensor in batch.items():
        shape, kind = known.get(name.removeprefix("failure/"), ((-1,), torch.float32))
        if name == "failure/latents":
            shape = (len(tensor) if tensor.dim() else 0, *latent)
        if tuple(tensor.shape) != tuple(shape) or tensor.dtype != kind:
            raise CheckpointError(f"{name} is {tuple(tensor.shape)} {tensor.dtype}, which is no "
                                  "batch of this game")  # fmt: skip
    labels = batch.get("failure/labels")
    if labels is not None and not bool(((labels >= 0) & (labels < max(classes, 1))).all()):
        raise CheckpointError(f"failure/labels: not all from 0 to {classes - 1}")


def _with_batch(inputs: StepInputs, batch: dict[str, Tensor], trainer: Trainer) -> StepInputs:
    """The inputs with the real batch and labels that were kept, where the step had asked."""
    if "failure/real" not in batch:
        return inputs
    rest = (batch.get(f"failure/{name}") for name in BATCH[1:])
    kept = trainer.source.on_device(batch["failure/real"], *rest)
    return replace(inputs, real=lambda: kept)
