"""Samples are bad: far from real ones by features that no network was trained for."""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Finding
from steadygan.diagnosis.rules import finding


def look(evidence: Evidence) -> Finding | None:
    if not evidence.is_bad:
        return None
    key = "ema_way" if evidence.series("ema_way") else "way"
    return finding(
        "effect", "the samples are far from real ones", 0.5, [evidence.number(key, "0 to .15")]
    )
