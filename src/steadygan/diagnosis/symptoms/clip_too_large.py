"""The clip lets weights grow far beyond its method's bound: the critic's slope is unbounded in
effect.
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Finding
from steadygan.diagnosis.rules import ON_GAME, back_to_sheet, finding


def look(evidence: Evidence) -> Finding | None:
    before, now = evidence.changes.get("weight-clip.bound", (None, None))
    if (
        not isinstance(before, float)
        or not isinstance(now, float)
        or now < 8 * before
        or evidence.is_good
    ):
        return None
    says = (
        f"weights are clipped at {now:g}, {before:g} in the method: the critic's "
        f"slope is hardly bounded"
    )
    numbers = [evidence.number("slope", "about 1 or below")]
    return finding("cause", says, 0.85, numbers, [back_to_sheet(evidence, "weight-clip.bound")],
                   (*ON_GAME, "critic-unbounded", "steps-too-large"))  # fmt: skip
