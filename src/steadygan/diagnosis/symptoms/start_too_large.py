"""G's values are at the ends of tanh before training: it starts from weights that are too large."""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Advice, Finding
from steadygan.diagnosis.rules import ON_GAME, finding


def look(evidence: Evidence) -> Finding | None:
    share = evidence.at_start("saturated")
    if share is None or share < 0.2 or evidence.is_good:
        return None
    says = "the generator's output is saturated before training: its initial weights are too large"
    numbers = [evidence.number("saturated", "below 0 before training", share)]
    advice = [Advice("", "the default initialisation of the method")]
    return finding("cause", says, 0.9, numbers, advice, ON_GAME, step=0)
