"""The generator's steps are far larger than its method's: its rate is too high."""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Finding
from steadygan.diagnosis.rules import rate_too_high


def look(evidence: Evidence) -> Finding | None:
    return rate_too_high(evidence, "g")
