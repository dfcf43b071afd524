"""Samples are bad and no longer get better; where nothing explains it: capacity, or data.

How it shows: grids and evaluations stand still for the last third of the run while losses look
healthy. The distance is above .2 and fell by 5 % or less over that third, with four probes or more.

Why: an effect of many faults, and so weak as evidence that it is no headline. Without a cause
beside it the networks may be too small, or the data too varied for the budget; only a trial tells.

What helps: try twice the width, then another method. More time alone does not help once the
distance has stopped falling.

Source: ours (benchmarks/diagnosis).
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Advice, Finding
from steadygan.diagnosis.rules import finding


def look(evidence: Evidence) -> Finding | None:
    if not evidence.is_bad or evidence.fell > 0.05 or len(evidence.trained) < 4:
        return None
    says = "samples are bad and have stopped getting better"
    numbers = [evidence.number("ema_way" if evidence.series("ema_way") else "way", "0 to .15")]
    width = evidence.spec("networks").get("width")
    double = Advice(f"width={2 * width}", "twice the width") if isinstance(width, int) else None
    return finding("effect", says, 0.4, numbers, [double], ("bad-samples",))
