"""A penalty on D weighs so much that D learns nothing else."""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Finding
from steadygan.diagnosis.rules import ON_GAME, back_to_sheet, finding


def look(evidence: Evidence) -> Finding | None:
    if evidence.is_good:
        return None
    strong = [key for key, (before, now) in evidence.changes.items()
              if key.endswith(".weight") and isinstance(before, float) and isinstance(now, float)
              and before > 0 and now >= 20 * before]  # fmt: skip
    if not strong:
        return None
    before, now = evidence.changes[strong[0]]
    says = f"{strong[0]} is {now:g}, {before:g} in the method: the penalty outweighs the objective"
    numbers = [evidence.number("auc", ".6 to 1")]
    return finding("cause", says, 0.9, numbers, [back_to_sheet(evidence, *strong)], ON_GAME)
