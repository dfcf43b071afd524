"""G gives nearly one sample for every latent before training: initial weights are too small.

How it shows: all tiles of the grid of step 0 are the same even grey, and later ones differ. Before
training `diversity` is at most .02 of the data's and later it is above, which sets it apart from a
G that never reads its latents; the samples are not good.

Why: each layer multiplies signal and gradient by its weights. Where these are tiny, little of the
latents arrives at the end, and little of the gradient at the beginning.

What helps: the default initialisation of the method, or more time where samples already get better.

Source: Radford et al. 2016, arXiv:1511.06434, section 4 (weights from a normal distribution of
standard deviation .02). The limit: ours (benchmarks/diagnosis).
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Advice, Finding
from steadygan.diagnosis.rules import ON_GAME, finding


def look(evidence: Evidence) -> Finding | None:
    spread = evidence.at_start("diversity")
    later = [value for _, value in evidence.series("diversity")]
    if spread is None or spread > 0.02 or not later or max(later) <= 0.02 or evidence.is_good:
        return None
    says = (
        "the generator's samples had no spread before training: its initial weights are too small"
    )
    numbers = [evidence.number("diversity", "above .1 before training", spread)]
    advice = [Advice("", "the default initialisation of the method")]
    return finding("cause", says, 0.85, numbers, advice, ON_GAME, step=0)
