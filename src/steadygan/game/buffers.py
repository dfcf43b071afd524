"""Forwards that leave no trace: batch-norm statistics stay as they were.

A player that stands still, and any forward made only for a penalty or a log line, uses the
statistics of its own batch (training mode) without moving the running ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


@contextmanager
def buffers_kept(module: nn.Module) -> Iterator[None]:
    """Within, training-mode forwards of `module` leave its batch-norm buffers untouched.

    A layer of one's own with buffers takes part by having a boolean attribute `buffers_kept`.
    """
    tracking = [m for m in module.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    own = [m for m in module.modules() if getattr(m, "buffers_kept", None) is False]
    for layer in tracking:
        layer.track_running_stats = False
    for layer in own:
        layer.buffers_kept = True
    try:
        yield
    finally:
        for layer in tracking:
            layer.track_running_stats = True
        for layer in own:
            layer.buffers_kept = False
