"""Players: named groups of modules, each with one optimizer, and what their forwards leave behind.

A forward moves more than it computes: the running statistics of normalisation layers, and the
singular vectors of spectral norm, once a step. Both move in the forwards of the network that is
updated alone; `StepContext.forward` decides it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm
from torch.nn.utils import parametrize

from steadygan.game.optimizers import Optimizer
from steadygan.networks.spectral import normalised_layers

#: Kinds of layers, the attribute that decides whether a forward moves their buffers, and its value
#: where none does.
_SWITCHES: tuple[tuple[type, str, object], ...] = (
    (_BatchNorm, "track_running_stats", False),
    (_InstanceNorm, "momentum", 0.0),
    (nn.Module, "frozen_buffers", True),
)


class frozen_buffers:  # a context manager, named as those of torch are
    """Within, training-mode forwards of `module` leave its normalisation buffers untouched.

    A layer of one's own with buffers takes part by having a boolean attribute `frozen_buffers`.
    One instance can be entered again and again, also within itself.
    """

    def __init__(self, module: nn.Module) -> None:
        # What to set on which layers while frozen. Instance norm moves its statistics whenever it
        # has some; by nothing at momentum 0.
        self._switches: list[tuple[Any, str, object]] = [
            (layer, name, frozen)
            for layer in module.modules()
            for kind, name, frozen in _SWITCHES
            if isinstance(layer, kind) and getattr(layer, name, None) is not None
        ]
        self._before: list[list[object]] = []

    def __enter__(self) -> None:
        self._before.append([getattr(layer, name) for layer, name, _ in self._switches])
        for layer, name, frozen in self._switches:
            setattr(layer, name, frozen)

    def __exit__(self, *_error: object) -> None:
        before: list[object] = self._before.pop()
        for (layer, name, _), value in zip(self._switches, before, strict=True):
            setattr(layer, name, value)


class first_buffers:  # a context manager likewise
    """Keeps copies of the buffers at `places` (layer, name) as a first forward, within, finds them:
    whatever a forward reads and moves, the second can do as the first (`as_first`)."""

    def __init__(self, places: list[tuple[nn.Module, str]]) -> None:
        self.places = places
        self.found: list[Tensor | None] = []

    def __enter__(self) -> None:
        self.found = [_copied(layer._buffers[name]) for layer, name in self.places]

    def __exit__(self, *_error: object) -> None:
        pass


class as_first:  # a context manager likewise
    """Within, and within `still`, forwards start from copies of what `first` has found, and the
    buffers of now stay. One instance can be entered again and again."""

    def __init__(self, first: first_buffers, still: AbstractContextManager[None]) -> None:
        self.first, self.still = first, still
        self._now: list[list[Tensor | None]] = []

    def __enter__(self) -> None:
        self.still.__enter__()
        self._now.append([layer._buffers[name] for layer, name in self.first.places])
        self._put([_copied(buffer) for buffer in self.first.found])

    def __exit__(self, *_error: object) -> None:
        self._put(self._now.pop())
        self.still.__exit__(None, None, None)

    def _put(self, buffers: list[Tensor | None]) -> None:
        for (layer, name), buffer in zip(self.first.places, buffers, strict=True):
            layer._buffers[name] = buffer


def _copied(buffer: Tensor | None) -> Tensor | None:
    return None if buffer is None else buffer.clone()


class Player:
    """A named group of modules that one optimizer moves.

    `modules` by name, e.g. {"generator": G} or {"discriminator": D, "q": Q}. `weights_of` names the
    player whose modules these are where it is a second optimizer on the same weights.
    """

    def __init__(
        self,
        name: str,
        modules: Mapping[str, nn.Module],
        optimizer: Optimizer,
        weights_of: str | None = None,
    ) -> None:
        self.name = name
        self.weights_of = weights_of
        self.modules = nn.ModuleDict(dict(modules))
        self.spec = optimizer
        self.parameter_names = [n for n, p in self.modules.named_parameters() if p.requires_grad]
        self.parameters = [p for p in self.modules.parameters() if p.requires_grad]
        self.optimizer = optimizer.build(self.parameters)
        #: Entered around the forwards of a module that leave its running statistics as they are.
        self.frozen = {key: frozen_buffers(module) for key, module in self.modules.items()}
        #: Whether a module has weights that are computed of others, as normalised ones are.
        self.parametrised = {
            key: any(parametrize.is_parametrized(layer) for layer in module.modules())
            for key, module in self.modules.items()
        }
        #: Entered around forwards whose activations are made again (`game/recomputation.py`).
        self.recomputed: dict[tuple[str, bool], Any] = {}
        #: The spectral normalisations of each module, with the raw weights that they divide.
        self.normalised = {
            key: [(norm, weight) for _, norm, weight in normalised_layers(module)]
            for key, module in self.modules.items()
        }

    def __getitem__(self, name: str) -> nn.Module:
        return self.modules[name]

    def named_parameters(self) -> dict[str, nn.Parameter]:
        """The parameters that the optimizer moves, by name, in its order."""
        return dict(zip(self.parameter_names, self.parameters, strict=True))

    def optimizer_tensors(self) -> dict[str, Tensor]:
        """The tensors of the optimizer as `parameter/key`; none before its first step."""
        state = self.optimizer.state
        return {
            f"{name}/{key}": value
            for name, parameter in zip(self.parameter_names, self.parameters, strict=True)
            for key, value in state.get(parameter, {}).items()
            if isinstance(value, Tensor)
        }

    def moments(self) -> list[Tensor]:
        """The tensors of `optimizer_tensors` without their names."""
        states = self.optimizer.state.values()
        return [value for each in states for value in each.values() if isinstance(value, Tensor)]

    def hold_rate_on(self, device: torch.device) -> None:
        """Let the optimizer read its rate, and count its steps, on `device` (a GPU): its step then
        waits for nothing on the host, and a CUDA graph of it follows the rate."""
        for group in self.optimizer.param_groups:
            rate = torch.tensor(float(group["lr"]), dtype=torch.float32, device=device)
            group.update(lr=rate, capturable=True)

    def adopt(self, settings: Mapping[str, Any]) -> None:
        """Set the optimizer's settings, such as its rate, from here on."""
        for group in self.optimizer.param_groups:
            for key, value in settings.items():
                if isinstance(held := group[key], Tensor):
                    held.copy_(value) if isinstance(value, Tensor) else held.fill_(value)
                else:
                    group[key] = value

    def step(self, gradients: list[Tensor], settings: Mapping[str, Any] | None = None) -> None:
        """One optimizer step along `gradients` (one a parameter), at the given settings, or at
        those of now."""
        if settings is not None:
            self.adopt(settings)
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            same = gradient.stride() == parameter.stride()
            parameter.grad = gradient if same else _laid_out_like(parameter, gradient)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)


def _laid_out_like(parameter: Tensor, gradient: Tensor) -> Tensor:
    """`gradient` with the strides of `parameter`, copied where it has others.

    torch's fused optimizers walk both through memory side by side, whatever their strides, and
    double backward gives transposed gradients of convolutions: uncopied, they move other weights.
    """
    return torch.empty_like(parameter).copy_(gradient)
