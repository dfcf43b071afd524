"""Samples are not good yet and still get better: the run was short.

How it shows: grids get better to the end, and evaluations fall. The distance is above .15 and fell
by 12 % or more in the last third of the run (where it was evaluated, by its evaluations).

Why: the budget ended before the game did. An undertrained G repeats itself and looks like a partial
collapse, which this explains.

What helps: resume the run with more time, and change nothing else yet. It is a note: a cause that
is named beside it counts more.

Source: ours (benchmarks/diagnosis).
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Finding
from steadygan.diagnosis.rules import finding, longer


def look(evidence: Evidence) -> Finding | None:
    if evidence.way is None or evidence.is_good or evidence.fell < 0.12:
        return None
    above = " above that of real ones" if evidence.evaluated else ""
    says = (
        f"samples still get better: their distance{above} fell by {evidence.fell:.0%} in the last "
        "third"
    )
    numbers = [evidence.number("ema_way" if evidence.series("ema_way") else "way", "0 to .15")]
    return finding(
        "note", says, 0.8, numbers, [longer(evidence)], ("bad-samples", "partial-collapse")
    )
