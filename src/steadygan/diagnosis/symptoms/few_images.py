"""Real images repeat: there are few distinct ones, and D can know them by heart.

Karras et al. 2020 (arXiv:2006.06676): augmentation that does not leak is what helps.
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Advice, Finding
from steadygan.diagnosis.rules import ON_GAME, finding


def look(evidence: Evidence) -> Finding | None:
    repeated = evidence.at_start("real_duplicates")
    if repeated is None or repeated < 0.3 or (evidence.at_start("real_blank") or 0) > 0.05:
        return None
    says = (
        f"{repeated:.0%} of a draw of real images repeat one another: there are few distinct ones"
    )
    numbers = [evidence.number("real_duplicates", "below .05", repeated),
               evidence.number("auc_memory", ".45 to .6")]  # fmt: skip
    advice = [Advice("--add diffaugment", "augmentation of what D sees, for few images"),
              Advice("", "`steadygan data build --dedupe`, and more images")]  # fmt: skip
    return finding("exact", says, 0.9, numbers, advice, (*ON_GAME, "d-memorises"), step=0)
