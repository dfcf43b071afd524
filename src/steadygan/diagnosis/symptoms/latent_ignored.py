"""G gives one sample for every latent, from the first step on: z does not reach it.

How it shows: all tiles of every grid are the same picture, that of step 0 too. `diversity` is at
most .02 of the data's at every probe, the one before training among them.

Why: the latents are all zeros or all alike, are scaled away, or are not passed to the first layer.
A collapse comes later; a generator at its start has some spread.

What helps: print the latents' mean and spread where they enter G, and look for a layer that drops
them. No setting mends it.

Source: ours (benchmarks/diagnosis).
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import LEAST, Evidence
from steadygan.diagnosis.finding import Advice, Finding
from steadygan.diagnosis.rules import ON_GAME, finding


def look(evidence: Evidence) -> Finding | None:
    spread = [value for _, value in evidence.series("diversity", start=True)]
    if len(spread) < LEAST or max(spread) > 0.02:
        return None
    says = (
        "the generator gives the same sample for every latent, from the start: it does not read z"
    )
    numbers = [evidence.number("diversity", "above .5 at the end, above .1 before training")]
    advice = [
        Advice("", "check that the latents reach the generator's first layer, and their scale")
    ]
    return finding("exact", says, 0.98, numbers, advice, ON_GAME, step=0)
