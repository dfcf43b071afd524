"""Gradient accumulation: a step's batch computed in pieces, one after the other, for memory.

A batch of B samples is cut into pieces of `microbatch` samples each. Of a loss that is a mean over
samples, the gradient is the mean of the pieces' gradients, as it is of processes that share a batch
(`game/processes.py`); and as there, each piece gets the draws that its samples have in the whole
batch. So the step is that of the whole batch, up to the order of sums, while activations are those
of one piece. What reads a batch as a whole is refused: no piece sees the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from steadygan.errors import UserError
from steadygan.game.context import StepContext
from steadygan.game.draws import Stream
from steadygan.game.inputs import RealBatch
from steadygan.game.processes import Processes

if TYPE_CHECKING:
    from steadygan.game.recipe import Recipe

#: Losses by name and one gradient a parameter.
Computed = tuple[dict[str, Tensor], list[Tensor]]
#: Where a context keeps what D says of its samples, and the samples that it has made.
_OUTPUTS: tuple[str, ...] = ("_real_output", "_fake_output")
_SAMPLES: tuple[str, ...] = ("latent", "fake")


class Piece(Processes):
    """The piece `index` of `count` of what a process holds of each batch."""

    def __init__(self, processes: Processes, index: int, count: int) -> None:
        rank = processes.rank if processes.size > 1 else 0
        super().__init__(rank * count + index, processes.size * count)
        self.index, self.pieces = index, count

    def cut(self, share: Tensor) -> Tensor:
        """This piece of what the process holds of a batch."""
        own = len(share) // self.pieces
        return share.narrow(0, self.index * own, own)

    def whole(self, share: Tensor) -> Tensor:
        raise UserError(
            "microbatch= does not fit: a loss or layer of this recipe reads a batch as a whole; "
            "leave microbatch= out"
        )


def require_pieces(recipe: Recipe, networks: Iterable[nn.Module] = ()) -> None:
    """Raise `UserError` where batches of `recipe`, with `networks` of its game, have no pieces."""
    if recipe.microbatch in (None, recipe.batch):
        return
    if why := recipe.reads_batch():
        raise UserError(
            f"microbatch={recipe.microbatch} does not fit: {why} reads a batch as a whole; leave "
            "microbatch= out"
        )
    layers = (layer for network in networks for layer in network.modules())
    if not any(isinstance(layer, _BatchNorm) for layer in layers):
        return
    if recipe.microbatch == 1:
        raise UserError("microbatch=1 does not fit: batch norm needs two samples; give 2 or more")
    if recipe.sync_batchnorm:
        raise UserError(
            f"microbatch={recipe.microbatch} does not fit: batch norm takes statistics of a whole "
            "batch; sync_batchnorm=false takes those of each piece, which is another game, and "
            "networks without batch norm (r3gan, d_norm= and g_norm= of dcgan) are the same one"
        )


def accumulated(context: StepContext, compute: Callable[[StepContext], Computed]) -> Computed:
    """The means over the pieces of a step's batch of what `compute` gives for each: losses, and
    gradients. `context` then has the latents, fakes, scores and signals of all of them, without
    graphs."""
    recipe, processes = context.recipe, context.inputs.processes
    assert recipe.microbatch is not None
    count = recipe.batch // processes.size // recipe.microbatch
    sums: Computed = {}, []
    made: list[dict[str, Tensor]] = []
    for index in range(count):
        piece = _context_of(context, Piece(processes, index, count))
        sums = _plus(sums, compute(piece))
        made.append(_made_by(piece) | {f"signals/{k}": v for k, v in piece.signals.items()})
    torch._foreach_div_(sums[1], count)
    _join(context, made)
    return {name: loss / count for name, loss in sums[0].items()}, sums[1]


def _context_of(context: StepContext, piece: Piece) -> StepContext:
    """A context of the same step for a piece of its batch."""
    whole = context.inputs

    def stream(name: str) -> torch.Generator:
        found = whole.generator(name)
        if isinstance(found, Stream):
            found.processes = piece
        return found

    def real() -> RealBatch:
        samples, *others = context.batch
        labels, rows = (None if each is None else piece.cut(each) for each in others)
        return RealBatch(piece.cut(samples), labels, rows)

    inputs = replace(whole, real=real, generator=stream, processes=piece)
    found = replace(context, inputs=inputs, signals={})
    if "latent" in vars(context):
        found.latent = piece.cut(context.latent)
    return found


def _plus(sums: Computed, more: Computed) -> Computed:
    losses = {name: loss.detach() for name, loss in more[0].items()}
    if not sums[1]:
        return losses, more[1]
    torch._foreach_add_(sums[1], more[1])
    return {name: sums[0][name] + loss for name, loss in losses.items()}, sums[1]


def _made_by(piece: StepContext) -> dict[str, Tensor]:
    """What a piece has made, one entry a sample, under the names of a context's attributes."""
    held = vars(piece)
    found = {name: held[name] for name in _SAMPLES if name in held}
    found |= {name: held[name][1] for name in _OUTPUTS if name in held}
    return {name: tensor.detach() for name, tensor in found.items()}


def _join(context: StepContext, made: list[dict[str, Tensor]]) -> None:
    """Give `context` what all its pieces have made."""
    for name in made[0]:
        of_pieces = [each[name] for each in made]
        if name.startswith("signals/"):
            context.signals[name.removeprefix("signals/")] = torch.stack(of_pieces).mean(0)
        else:
            together = torch.cat(of_pieces)
            vars(context)[name] = (None, together, ()) if name in _OUTPUTS else together
