"""A penalty, or another weighted term, weighs so much that D learns nothing else.

How it shows: D's loss is nearly all penalty, its scores are all alike (`auc` near .5), and grids
hardly change. A weight in the settings is 20 times the method's or more, and the samples are not
good.

Why: D's gradient is the sum of both terms, and Adam scales it as a whole: a small share for the
objective is a small rate for it. Any weighted term of the recipe counts, that of a class head or of
codes too.

What helps: the method's own weight. Beside good samples leave it alone: penalties work over a wide
range of weights.

Source: ours (benchmarks/diagnosis).
"""

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
    says = f"{strong[0]} is {now:g}, {before:g} in the method: it outweighs the objective"
    numbers = [evidence.number("auc", ".6 to 1")]
    return finding("cause", says, 0.9, numbers, [back_to_sheet(evidence, *strong)], ON_GAME)
