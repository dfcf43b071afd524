"""How far weights have come: since the start, and since the probe before."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass
class Movement:
    """Follows a player's weights, by at most `most` of them: how far they have come since the
    start, and since the probe before."""

    most: int = 20_000
    start: Tensor | None = None
    before: Tensor | None = None
    step: Tensor | None = None
    _chosen: list[tuple[int, Tensor | None]] = field(default_factory=list)

    def take(self, parameters: Sequence[Tensor]) -> Tensor:
        """The followed weights as one vector, on the CPU: every n-th of each parameter."""
        total = sum(p.numel() for p in parameters)
        every = max(1, math.ceil(total / self.most))
        return torch.cat([p.detach().flatten()[::every].float().cpu() for p in parameters])

    def signals(self, parameters: Sequence[Tensor], steps: int) -> dict[str, float]:
        """`travel`, |w - w_0| / |w_0|; `move`, the same since the probe before, a step of `steps`;
        `turn`, the cosine of this displacement with the one before; `norm`, |w| / |w_0|. Nothing
        where the start, and no `move` and `turn` where the probe before, is not known."""
        now = self.take(parameters)
        if self.start is None:
            self.start, self.before = now, now.clone()
            return {}
        size = self.start.norm().clamp_min(1e-12)
        found = {
            "travel": float((now - self.start).norm() / size),
            "norm": float(now.norm() / size),
        }
        if self.before is None:
            self.before = now
            return found
        moved = now - self.before
        found["move"] = float(moved.norm() / self.before.norm().clamp_min(1e-12) / max(1, steps))
        if self.step is not None and float(self.step.norm()) > 0 and float(moved.norm()) > 0:
            found["turn"] = float(moved @ self.step / self.step.norm() / moved.norm())
        self.before, self.step = now, moved
        return found
