"""The method normalises D's weights, and this run does not."""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Advice, Finding
from steadygan.diagnosis.rules import ON_GAME, finding


def look(evidence: Evidence) -> Finding | None:
    if evidence.changes.get("spectral-norm") != ("true", None) or evidence.is_good:
        return None
    says = "the method's spectral normalisation of the discriminator is missing"
    numbers = [evidence.number("auc", "below .99"), evidence.number("score_std", "")]
    advice = [Advice("--add spectral-norm", "the method has it"),
              Advice("--add r1:weight=1", "a zero-centred penalty bounds D too")]  # fmt: skip
    return finding("cause", says, 0.85, numbers, advice, (*ON_GAME, "steps-too-large"))
