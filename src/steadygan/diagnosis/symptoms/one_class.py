"""Batches of real samples are far less diverse than the data: one class, or no shuffling."""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Advice, Finding
from steadygan.diagnosis.rules import ON_GAME, finding


def look(evidence: Evidence) -> Finding | None:
    diversity = evidence.late("batch_diversity")
    if diversity is None or diversity > 0.75 or (evidence.at_start("real_blank") or 0) > 0.05:
        return None
    if (evidence.at_start("real_duplicates") or 0) > 0.3:
        return None
    low, whole = evidence.late("batch_min"), evidence.last("real_min")
    if low is not None and whole is not None and abs(low - whole) > 0.2:
        return None  # another range, which makes all distances smaller: see range-mismatch
    says = (
        "the real samples that the discriminator is given differ far less than held-out ones: "
        "one class, or batches that are not shuffled"
    )
    numbers = [evidence.number("batch_diversity", ".85 to 1.1")]
    advice = [Advice("", "shuffle the data; check the classes with `steadygan data show`")]
    return finding("exact", says, 0.9, numbers, advice, ON_GAME)
