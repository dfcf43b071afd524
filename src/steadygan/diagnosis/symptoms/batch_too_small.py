"""Batches of a few samples: statistics of batch norm and gradients are mostly noise.

How it shows: losses and grids jump from one log line to the next, and single runs end in NaN or in
a collapse. The batch of the settings is below 8 and the samples are not good.

Why: gradients and the statistics of batch norm are means over a batch, and over a few samples these
means are mostly noise. G's samples in eval mode then differ from those in training, too.

What helps: the method's own batch, or 32 and more. Where memory forbids that, smaller learning
rates and a normalisation that does not look across the batch. Beside good samples a small batch can
stay.

Source: rosinality/stylegan2-pytorch#210 (NaN with batch 4), rosinality/semantic-pyramid-pytorch#3
(collapse with batch 16 where the paper has 1,024; a tenth of the rates made it stable).
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
