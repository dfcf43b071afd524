"""What the training loop gives a step: batches, random streams, and where it computes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from steadygan.game.processes import ALONE, Processes
from steadygan.game.repeating import Turn


class RealBatch(NamedTuple):
    """A batch of the train part: `samples` (B, ...) in [-1, 1] if images, `labels` (B,) int64 or
    None, both on the game's device, and `rows` (B,) int64 on the CPU: which items of the data they
    are."""

    samples: Tensor
    labels: Tensor | None = None
    rows: Tensor | None = None


#: The fields of a real batch as `StepContext.used` calls them.
BATCH = ("real", "labels", "rows")


@dataclass(frozen=True)
class StepInputs:
    """What the training loop gives a step; everything random about the step comes from here.

    `real()` gives the player's next real batch: each player goes through the data in an order of
    its own, so a part on G that reads real samples leaves D's order alone. `generator(stream)` is
    the random stream of that name for this step, on `device`, which is that of the networks.
    `autocast()` is entered around network forwards. With several `processes`, batches are this
    one's share. `asks(turn)` is told each `Turn` that the step asks after; `holds(schedule)` gives
    a step that is captured a tensor () which follows a function of the progress.
    """

    real: Callable[[], RealBatch]
    generator: Callable[[str], torch.Generator]
    autocast: Callable[[], AbstractContextManager]
    device: torch.device
    processes: Processes = ALONE
    asks: Callable[[Turn], None] = lambda turn: None
    holds: Callable[[Callable[[float], float]], Tensor] | None = None
