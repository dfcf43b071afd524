"""G gives nearly one sample whatever its latent, after it had some spread."""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Advice, Finding
from steadygan.diagnosis.rules import finding


def look(evidence: Evidence) -> Finding | None:
    spread = evidence.late("diversity")
    if spread is None or spread > 0.2 or len(evidence.series("diversity")) < 3:
        return None
    began = evidence.at_start("diversity")
    if began is not None and began < 0.01:
        return None
    says = "the generator gives nearly one sample whatever its latent"
    numbers = [
        evidence.number("diversity", ".8 to 1.1"),
        evidence.number("duplicates", "below .05"),
    ]
    advice = [Advice("--add r1:weight=1", "a zero-centred penalty"),
              Advice("--add minibatch-discrimination", "D sees how alike a batch is"),
              Advice("--add spectral-norm", "a bounded D")]  # fmt: skip
    return finding(
        "effect", says, 0.8, numbers, advice, ("bad-samples", "partial-collapse", "plateau")
    )
