"""The discriminator takes many more steps an iteration than in its method."""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Finding
from steadygan.diagnosis.rules import steps_too_many


def look(evidence: Evidence) -> Finding | None:
    return steps_too_many(evidence, "d")
