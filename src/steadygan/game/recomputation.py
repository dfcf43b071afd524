"""Recomputation: activations made again in the backward pass, where they cost less than memory.

Chen et al. 2016, arXiv:1604.06174 (activation checkpointing). The layers of a network are cut into
segments that each begin with weights: a residual block, or sqrt(n) of n convolutions in a row with
the normalisations and activations behind them. The forward keeps the inputs of segments alone; the
backward runs each once more, with the same weights and draws, and leaves running statistics as they
are. So the step is bit for bit the one that keeps everything, double backward included. There, what
was made again is kept until the second backward has read it: under a penalty no memory is saved.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from itertools import chain, groupby
from typing import TypeGuard, cast

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.utils.checkpoint import checkpoint

from steadygan.errors import UserError
from steadygan.game.player import Player, as_first, first_buffers, frozen_buffers

Context = AbstractContextManager[None]


class Recomputed:
    """A context manager: within, forwards of `module` that have a graph keep the inputs of segments
    alone. `moves` says whether the first forwards move running statistics; the second never do.

    Segments are those of every `nn.Sequential` that is no part of a block. A network without one
    keeps what it keeps.
    """

    def __init__(self, module: nn.Module, moves: bool = True) -> None:
        self._forwards = [
            (layers, partial(_forward, segments_of(layers, moves)))
            for layers in dict.fromkeys(_sequences(module))  # one may be there twice
        ]

    def __enter__(self) -> None:
        for layers, forward in self._forwards:
            layers.forward = forward  # type: ignore[method-assign]

    def __exit__(self, *_error: object) -> None:
        for layers, _ in self._forwards:
            del layers.forward  # the method of the class is there again


def recomputed(player: Player, name: str, moves: bool) -> Recomputed:
    """`Recomputed` of a module of `player`, made once."""
    key = name, moves
    if key not in player.recomputed:
        player.recomputed[key] = Recomputed(player[name], moves)
    return player.recomputed[key]


class Segment(nn.Sequential):
    """Layers of a network, the same objects. Made again where it begins with weights: another one
    may change its input in place, and has little to save; one that is a sequence has segments."""

    def __init__(self, *layers: nn.Module, moves: bool = True) -> None:
        super().__init__(*layers)
        self.made_again = _has_weights(self[0]) and not _is_sequence(self[0])
        #: Its layers with a weight that is computed of others, and the name of that.
        self.normalised = [
            (layer, str(name))
            for layer in self.modules()
            if parametrize.is_parametrized(layer)
            for name in cast(nn.ModuleDict, layer.parametrizations)
        ]
        self.buffer_places = [
            (layer, name)
            for layer in self.modules()
            for name, _ in layer.named_buffers(recurse=False)
        ]
        self.still: Context = nullcontext() if moves else frozen_buffers(self)

    def again(self, x: Tensor) -> Tensor:
        """Its output for `x`, of which the graph keeps `x` alone."""
        for layer, name in self.normalised:
            # A step computes it once and keeps it: here, since within the segment the first forward
            # alone would compute it, and the second is to do what the first did.
            getattr(layer, name)
        first, version = first_buffers(self.buffer_places), x._version
        contexts = first, as_first(first, self.still)
        # Random draws are made again too: torch puts the state of its generators back.
        found = checkpoint(self, x, use_reentrant=False, context_fn=lambda: contexts)
        if x._version != version:
            raise UserError(
                f"recompute=true: {type(self[0]).__name__} changes its input in place, which is "
                "then not there to make its activations again: leave recompute= out, or give the "
                "layer inplace=False"
            )
        return found


def segments_of(layers: nn.Sequential, moves: bool = True) -> list[Segment]:
    """The segments of `layers`, in order: a block is one, and so are sqrt(n) of n layers in a row,
    each with what is behind it."""
    groups: list[list[nn.Module]] = []
    for layer in layers:
        starts = _has_weights(layer) or _is_sequence(layer)
        if starts or not groups or _is_sequence(groups[-1][0]):
            groups.append([])
        groups[-1].append(layer)
    found: list[Segment] = []
    for plain, run in groupby(groups, key=lambda group: _is_plain(group[0])):
        row = list(run)
        each = math.isqrt(len(row) - 1) + 1 if plain else 1  # the root, rounded up
        parts = (row[i : i + each] for i in range(0, len(row), each))
        found += [Segment(*chain.from_iterable(part), moves=moves) for part in parts]
    return found


def _sequences(module: nn.Module) -> Iterator[nn.Sequential]:
    if not _is_sequence(module):
        yield from chain.from_iterable(_sequences(child) for child in module.children())
        return
    yield module
    for layer in module:
        if _is_sequence(layer):
            yield from _sequences(layer)


def _is_sequence(layer: nn.Module) -> TypeGuard[nn.Sequential]:
    """Whether a module does no more than its layers in turn; a subclass may do other things."""
    return isinstance(layer, nn.Sequential) and type(layer).forward is nn.Sequential.forward


def _has_weights(layer: nn.Module) -> bool:
    return any(parameter.dim() > 1 for parameter in layer.parameters())


def _is_plain(layer: nn.Module) -> bool:
    """Whether a layer has weights of its own alone, normalised ones among them."""
    inner = (child for name, child in layer.named_children() if name != "parametrizations")
    return _has_weights(layer) and not any(_has_weights(child) for child in inner)


def _forward(segments: list[Segment], x: Tensor) -> Tensor:
    for segment in segments:
        x = segment.again(x) if segment.made_again and torch.is_grad_enabled() else segment(x)
    return x
