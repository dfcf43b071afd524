"""G shows few of the classes of the data: mode collapse by class.

By the class of each sample's nearest real one: how many classes they make, exp(entropy), beside
held-out samples.
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import LEAST, Evidence
from steadygan.diagnosis.finding import Advice, Finding
from steadygan.diagnosis.rules import finding, longer


def look(evidence: Evidence) -> Finding | None:
    seen = evidence.late("classes")
    if seen is None or seen > 0.45 or evidence.is_good or len(evidence.series("classes")) < LEAST:
        return None
    says = f"the samples show about {seen:.0%} of the classes of the data"
    numbers = [evidence.number("classes", ".8 to 1"), evidence.number("duplicates", "below .05")]
    advice = [Advice("--add minibatch-discrimination", "D sees how alike a batch is"),
              longer(evidence)]  # fmt: skip
    return finding("effect", says, 0.5, numbers, advice, ("bad-samples",))
