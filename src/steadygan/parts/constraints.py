"""Constraints that act on parameters right after a step."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from steadygan.game.part import Part
from steadygan.game.player import Player
from steadygan.game.state import GameState


class WeightClip(Part):
    """w <- clip(w, -c, c) for every parameter of D, biases and batch norm included.

    Arjovsky et al. 2017, arXiv:1701.07875, Algorithm 1: after the step, so that no weight is ever
    seen outside the box (the authors' code clips before it, and can leave the box by one step).
    """

    name = "weight-clip"
    signal_titles: ClassVar = {"clipped_share": "share of weights at the clip"}
    sides: ClassVar = ("on_d",)
    bound: float = Field(0.01, gt=0)

    def after_step(self, player: Player, state: GameState) -> None:
        with torch.no_grad():
            for weight in player.parameters:
                weight.clamp_(-self.bound, self.bound)

    def signals(self, player: Player) -> dict[str, Tensor]:
        """`clipped_share`: the share of weights beyond 95 % of the bound (they pile up there)."""
        weights = torch.cat([w.detach().flatten() for w in player.parameters])
        return {"clipped_share": (weights.abs() > 0.95 * self.bound).float().mean()}
