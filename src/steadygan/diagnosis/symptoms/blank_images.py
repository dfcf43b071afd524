"""A share of the real images is blank, and G learns to make blank ones."""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Advice, Finding
from steadygan.diagnosis.rules import ON_SAMPLES, finding


def look(evidence: Evidence) -> Finding | None:
    blank = evidence.at_start("real_blank")
    if blank is None or blank < 0.05:
        return None
    says = f"{blank:.0%} of the real images are blank"
    numbers = [evidence.number("real_blank", "0", blank)]
    advice = [Advice("", "`steadygan data show` lists what the images are; leave blank ones out")]
    return finding("exact", says, 0.95, numbers, advice, ON_SAMPLES, step=0)
