"""Batches of a few samples: statistics of batch norm and gradients are mostly noise.

rosinality/stylegan2-pytorch#210 (NaN with batch 4).
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Advice, Finding
from steadygan.diagnosis.rules import ON_GAME, back_to_sheet, finding


def look(evidence: Evidence) -> Finding | None:
    batch = evidence.recipe.get("batch")
    if not isinstance(batch, int) or batch >= 8 or evidence.is_good:
        return None
    says = f"batches of {batch} samples: their statistics and gradients are mostly noise"
    advice = [back_to_sheet(evidence, "batch"), Advice("batch=32", "32 or more")]
    return finding("cause", says, 0.8, (), advice, (*ON_GAME, "steps-too-large", "train-eval-gap"))
