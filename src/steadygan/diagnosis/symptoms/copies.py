"""G repeats training samples: many of its samples are near-duplicates of real ones."""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Advice, Finding
from steadygan.diagnosis.rules import finding


def look(evidence: Evidence) -> Finding | None:
    share = evidence.late("copies")
    if share is None or share < 0.3:
        return None
    says = f"{share:.0%} of the generator's samples are near-duplicates of training ones"
    numbers = [evidence.number("copies", "below .05")]
    return finding(
        "note",
        says,
        0.6,
        numbers,
        [Advice("", "compare with `steadygan evaluate`: nearest training images")],
    )
