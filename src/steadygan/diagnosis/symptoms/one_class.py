"""The real samples that D is given are far less diverse than held-out ones: one class of them."""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Advice, Finding
from steadygan.diagnosis.rules import ON_GAME, finding, other_range


def look(evidence: Evidence) -> Finding | None:
    diversity = evidence.late("batch_diversity")
    if diversity is None or diversity > 0.75 or (evidence.at_start("real_blank") or 0) > 0.05:
        return None
    if (evidence.at_start("real_duplicates") or 0) > 0.3:
        return None
    if other_range(evidence):
        return None
    whole = evidence.at_start("real_diversity")
    if whole is not None and whole > 0.85:
        return None  # the data are diverse: see unshuffled
    says = "the real samples that the discriminator is given differ far less than held-out ones: "
    says += "one class" if whole is not None else "one class, or batches that are not shuffled"
    numbers = [evidence.number("batch_diversity", ".85 to 1.1")]
    advice = [Advice("", "shuffle the data; check the classes with `steadygan data show`")]
    return finding("exact", says, 0.9, numbers, advice, ON_GAME)
