"""G gives nearly one sample for every latent before training: initial weights are too small."""

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
