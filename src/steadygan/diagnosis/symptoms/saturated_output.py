"""G's values are at the ends of tanh far more often than real ones: no gradient passes there."""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Advice, Finding
from steadygan.diagnosis.rules import finding


def look(evidence: Evidence) -> Finding | None:
    share = evidence.late("saturated")
    if share is None or share < 0.3 or not evidence.is_bad:
        return None
    says = (
        f"{share:.0%} more of the generator's values are at the ends of their range than real ones"
    )
    numbers = [evidence.number("saturated", "below .1")]
    advice = [Advice("", "the default initialisation, and a smaller rate of the generator")]
    return finding(
        "effect", says, 0.7, numbers, advice, ("bad-samples", "total-collapse", "partial-collapse")
    )
