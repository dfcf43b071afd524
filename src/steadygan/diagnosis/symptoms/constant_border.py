"""Real samples have a constant border and G's have not, which is all D looks at.

BadourAlBahar/pose-with-style#23: padding of real images alone.
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import LEAST, Evidence
from steadygan.diagnosis.finding import Advice, Finding
from steadygan.diagnosis.rules import finding


def look(evidence: Evidence) -> Finding | None:
    real, fake = evidence.late("border_real"), evidence.late("border_fake")
    auc = evidence.late("auc")
    if real is None or fake is None or auc is None or len(evidence.series("auc")) < LEAST:
        return None
    if real > 0.01 or fake < 0.1 or auc < 0.99 or evidence.is_good:
        return None
    says = "the border of real samples is constant and that of generated ones is not: D can tell"
    numbers = [evidence.number("border_real", "as border_fake"), evidence.number("border_fake", ""),
               evidence.number("auc", ".6 to .98")]  # fmt: skip
    advice = [Advice("", "crop the border, or pad generated samples alike")]
    return finding("note", says, 0.4, numbers, advice)
