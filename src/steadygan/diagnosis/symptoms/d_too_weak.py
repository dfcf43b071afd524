"""D cannot tell bad samples from real ones."""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Advice, Finding
from steadygan.diagnosis.rules import ON_SAMPLES, finding, scaled


def look(evidence: Evidence) -> Finding | None:
    auc = evidence.late("auc")
    if auc is None or auc > 0.65 or not evidence.is_bad:
        return None
    says = "the discriminator cannot tell samples from real ones although they are bad"
    numbers = [evidence.number("auc", ".65 to .98"), evidence.number("way", "0 to .2")]
    advice = [
        scaled(evidence, "d", 4, "four times D's rate"),
        Advice("d_steps=2", "two steps of D"),
    ]
    return finding("effect", says, 0.65, numbers, advice, ON_SAMPLES)
