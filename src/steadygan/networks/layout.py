"""Channels-last maps from one end of a network to the other.

A convolution gives maps in the layout of its weights. What is none may not: `Unflatten` makes
contiguous maps of a vector, and the gradient of `Flatten` is contiguous whatever the maps were. A
kernel of a CPU that meets two layouts, such as a leaky ReLU's gradient, is slow (docs/speed.md).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def lay_out(network: nn.Module, memory_format: torch.memory_format) -> None:
    """Let the maps in `network`, and their gradients, have the layout that its weights have been
    moved to. A second call changes nothing, nor does one for a network without convolutions."""
    if memory_format is not torch.channels_last or all(p.dim() < 4 for p in network.parameters()):
        return
    for layer in network.modules():
        if isinstance(layer, nn.Unflatten) and _made not in layer._forward_hooks.values():
            layer.register_forward_hook(_made)
        if isinstance(layer, nn.Flatten) and _taken not in layer._forward_pre_hooks.values():
            layer.register_forward_pre_hook(_taken)


def _made(layer: nn.Module, inputs: Any, maps: Tensor) -> Tensor:
    return _channels_last(maps)


def _taken(layer: nn.Module, inputs: tuple[Tensor]) -> None:
    for maps in inputs:
        if maps.grad_fn is not None:  # a leaf keeps its hooks
            maps.register_hook(_channels_last)


def _channels_last(maps: Tensor) -> Tensor:
    """The same values; what has no channels and pixels as it is."""
    return maps.contiguous(memory_format=torch.channels_last) if maps.dim() == 4 else maps
