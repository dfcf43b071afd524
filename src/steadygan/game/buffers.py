"""Forwards that leave no trace: the statistics of normalisation layers stay as they were.

The network that is not updated, and any forward made only for a penalty or a log line, uses the
statistics of its own batch (training mode) and keeps the running ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm


@contextmanager
def frozen_buffers(module: nn.Module) -> Iterator[None]:
    """Within, training-mode forwards of `module` leave its normalisation buffers untouched.

    A layer of one's own with buffers takes part by having a boolean attribute `frozen_buffers`.
    """
    tracking = [m for m in module.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    # Instance norm moves its statistics whenever it has some; by nothing at momentum 0.
    instance = {m: m.momentum for m in module.modules() if isinstance(m, _InstanceNorm)}
    own: list[Any] = [m for m in module.modules() if getattr(m, "frozen_buffers", None) is False]
    for norm in tracking:
        norm.track_running_stats = False
    for instance_norm in instance:
        instance_norm.momentum = 0.0
    for layer in own:
        layer.frozen_buffers = True
    try:
        yield
    finally:
        for norm in tracking:
            norm.track_running_stats = True
        for instance_norm, momentum in instance.items():
            instance_norm.momentum = momentum
        for layer in own:
            layer.frozen_buffers = False


class Undoable(nn.Module):
    """A part's state that takes back by itself what a step has done to it.

    The guard of the training loop copies the buffers of every other state before each step, so
    that it can restore them where the step fails. A state that is large, or that a step moves
    only after the guard has passed it, derives from this class instead: nothing of it is copied.
    """

    def begin_step(self) -> None:
        """A step begins: what `undo_step` restores is the state as it is now."""
        raise NotImplementedError

    def undo_step(self) -> None:
        """Restore, bit for bit, the state at the last `begin_step`."""
        raise NotImplementedError
