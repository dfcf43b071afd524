"""What a run logs of an iteration, by name, from tensors that its steps have computed anyway."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from steadygan.game.context import StepContext
from steadygan.game.inputs import RealBatch
from steadygan.game.objective import Objective
from steadygan.game.processes import ALONE, Processes
from steadygan.game.state import GameState, StepResult


@torch.no_grad()
def of_iteration(
    results: dict[str, StepResult], held_out: RealBatch | None, processes: Processes = ALONE
) -> dict[str, float]:
    """A flat log line of an iteration's last steps: every loss part and every signal, as floats.

    `d_loss`, `d_loss/PART`, `g_loss`, ...; D's mean score, probability and accuracy on real, held
    out and fake samples; gradient norms; what parts and objective add. `held_out` is a batch of
    data that training never sees, given to D as the real batch is (noised, augmented,
    with its own batch statistics). Values are means over `processes`, each of its share of a batch.
    """
    found: dict[str, Tensor] = {}
    for name, result in results.items():
        found[f"{name}_loss"] = torch.stack(list(result.losses.values())).sum()
        found |= {f"{name}_loss/{part}": loss for part, loss in result.losses.items()}
        found[f"{name}_gradient_norm"] = result.gradient_norm
        found |= result.context.signals
        recipe = result.context.recipe
        for part in (*recipe.on_side(name), *recipe.shared):
            found |= part.signals(result.player)
    if "d" in results:
        found |= of_scores(results["d"].context, held_out)
    device = next(iter(found.values())).device
    here = torch.stack([v.detach().float().to(device) for v in found.values()]).cpu()
    (values,) = processes.averaged([here])
    return dict(zip(found, values.tolist(), strict=True))


def of_scores(context: StepContext, held_out: RealBatch | None) -> dict[str, Tensor]:
    """D's outputs for real and fake samples before its step, for held-out ones after the
    iteration."""
    objective: Objective = context.recipe.objective
    scores = {"real": context.real_scores, "fake": context.fake_scores}
    if held_out is not None:
        scores["heldout"] = context.held_out_scores(held_out)
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


def weight_histogram(state: GameState, bins: int = 50) -> dict[str, Any]:
    """How D's parameters are spread: {"low", "high", "counts"}."""
    weights = torch.cat([p.detach().flatten() for p in state.discriminator.parameters()]).cpu()
    low, high = weights.min().item(), weights.max().item()
    counts = torch.histc(weights, bins, low, high if high > low else low + 1e-6)
    return {"low": low, "high": high, "counts": [int(c) for c in counts]}
