"""Forwards that leave no trace: the statistics of normalisation layers stay as they were.

A player that stands still, and any forward made only for a penalty or a log line, uses the
statistics of its own batch (training mode) without moving the running ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm


@contextmanager
def buffers_kept(module: nn.Module) -> Iterator[None]:
    """Within, training-mode forwards of `module` leave its normalisation buffers untouched.

    A layer of one's own with buffers takes part by having a boolean attribute `buffers_kept`.
    """
    tracking = [m for m in module.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    # Instance norm moves its statistics whenever it has some; by nothing at momentum 0.
    instance = {m: m.momentum for m in module.modules() if isinstance(m, _InstanceNorm)}
    own = [m for m in module.modules() if getattr(m, "buffers_kept", None) is False]
    for layer in tracking:
        layer.track_running_stats = False
    for layer in instance:
        layer.momentum = 0.0
    for layer in own:
        layer.buffers_kept = True
    try:
        yield
    finally:
        for layer in tracking:
            layer.track_running_stats = True
        for layer, momentum in instance.items():
            layer.momentum = momentum
        for layer in own:
            layer.buffers_kept = False


class Undoable(nn.Module):
    """A part's state that takes back by itself what an update has done to it.

    The guard of the training loop copies the buffers of every other state before each update, so
    that it can restore them where the update fails. A state that is large, or that an update moves
    only after the guard has passed it, derives from this class instead: nothing of it is copied.
    """

    def begin_update(self) -> None:
        """An update begins: what `undo_update` restores is the state as it is now."""
        raise NotImplementedError

    def undo_update(self) -> None:
        """Restore, bit for bit, the state at the last `begin_update`."""
        raise NotImplementedError
