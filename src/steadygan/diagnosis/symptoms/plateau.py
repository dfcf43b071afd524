"""Samples are bad and no longer get better; where nothing explains it: capacity, or data."""

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
