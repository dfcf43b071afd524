"""G's samples repeat a few kinds: many near-duplicates, few directions of variation."""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Advice, Finding
from steadygan.diagnosis.rules import finding, longer


def look(evidence: Evidence) -> Finding | None:
    repeated, rank = evidence.late("duplicates"), evidence.late("rank")
    if repeated is None or rank is None or evidence.is_good or len(evidence.series("rank")) < 3:
        return None
    if repeated < 0.25 or rank > 0.45:
        return None
    says = "the generator repeats a few kinds of samples"
    numbers = [evidence.number("duplicates", "below .05"), evidence.number("rank", ".6 to 1.1")]
    advice = [Advice("--add minibatch-discrimination", "D sees how alike a batch is"),
              Advice("objective=rpgan --add r1:weight=1", "relativistic pairs do not drop modes"),
              longer(evidence)]  # fmt: skip
    return finding("effect", says, 0.6, numbers, advice, ("bad-samples",))
