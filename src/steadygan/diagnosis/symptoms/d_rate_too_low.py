"""The discriminator hardly moves while the other network does: its rate is far too low."""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Finding
from steadygan.diagnosis.rules import rate_too_low

#: A network that learned something had travelled further than this, in shares of its start.
LEAST = 0.02


def look(evidence: Evidence) -> Finding | None:
    return rate_too_low(evidence, "d", LEAST)
