"""G shows all classes, and within each of them nearly one sample.

By the class of each sample's nearest real one: distances within a class, beside held-out samples.
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import LEAST, Evidence
from steadygan.diagnosis.finding import Advice, Finding
from steadygan.diagnosis.rules import finding


def look(evidence: Evidence) -> Finding | None:
    spread, seen = evidence.late("class_spread"), evidence.late("classes")
    if spread is None or seen is None or len(evidence.series("class_spread")) < LEAST:
        return None
    if spread > 0.4 or seen < 0.6 or evidence.is_good:
        return None
    says = "the generator shows most classes, and within a class its samples are nearly the same"
    numbers = [evidence.number("class_spread", ".7 to 1.1"), evidence.number("classes", ".8 to 1")]
    advice = [Advice("--add minibatch-discrimination", "D sees how alike a batch is")]
    return finding("effect", says, 0.6, numbers, advice, ("bad-samples",))
