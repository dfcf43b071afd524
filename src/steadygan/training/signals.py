"""What a run logs of a turn, by name, from tensors that the updates have computed anyway."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from steadygan.game.objectives import Objective
from steadygan.game.play import Play, RealBatch
from steadygan.game.players import Table, Update


@torch.no_grad()
def of_turn(updates: dict[str, Update], held_out: RealBatch | None) -> dict[str, float]:
    """A flat log line of a turn's last updates: every loss part and every signal, as floats.

    `d_loss`, `d_loss/PART`, `g_loss`, ...; D's mean score, probability and accuracy on real, held
    out and fake samples; gradient norms; what parts and objective add. `held_out` is a batch of
    data that training never sees, shown to D and judged as the real batch is (noised, augmented,
    with its own batch statistics).
    """
    found: dict[str, Tensor] = {}
    for name, update in updates.items():
        found[f"{name}_loss"] = torch.stack(list(update.losses.values())).sum()
        found |= {f"{name}_loss/{part}": loss for part, loss in update.losses.items()}
        found[f"{name}_gradient_norm"] = update.gradient_norm
        found |= update.play.signals
        recipe = update.play.recipe
        for part in (*recipe.on_side(name), *recipe.tricks):
            found |= part.signals(update.player)
    if "d" in updates:
        found |= of_scores(updates["d"].play, held_out)
    values = torch.stack([v.detach().float().cpu() for v in found.values()]).tolist()
    return dict(zip(found, values, strict=True))


def of_scores(play: Play, held_out: RealBatch | None) -> dict[str, Tensor]:
    """What D makes of real and fake samples before its step, of held-out ones after the turn."""
    objective: Objective = play.recipe.objective
    scores = {"real": play.real_scores, "fake": play.fake_scores}
    if held_out is not None:
        scores["heldout"] = play.held_out_scores(held_out)
    found = objective.signals(scores["real"], scores["fake"])
    for kind, values in scores.items():
        found[f"d_score_{kind}"] = values.mean()
        if (probability := objective.probability(values)) is not None:
            found[f"d_{kind}_probability"] = probability.mean()
        if objective.threshold is not None:
            high = values > objective.threshold
            says_real = high if objective.real_is_high else ~high
            right = says_real if kind != "fake" else ~says_real
            found[f"d_accuracy_{kind}"] = right.float().mean()
    return found


def weight_histogram(table: Table, bins: int = 50) -> dict[str, Any]:
    """How D's parameters are spread: {"low", "high", "counts"}."""
    weights = torch.cat([p.detach().flatten() for p in table.discriminator.parameters()]).cpu()
    low, high = weights.min().item(), weights.max().item()
    counts = torch.histc(weights, bins, low, high if high > low else low + 1e-6)
    return {"low": low, "high": high, "counts": [int(c) for c in counts]}
