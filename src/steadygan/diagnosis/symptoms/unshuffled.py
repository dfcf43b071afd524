"""Batches of real samples are far less diverse than the data they come from: no shuffling.

D then learns the batch of the moment, and G follows it from class to class.
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Advice, Finding
from steadygan.diagnosis.rules import ON_GAME, finding, other_range

#: Below this diversity of a batch beside held-out samples it is no random draw of them.
NARROW = 0.75
#: From this diversity on the training data as a whole are like held-out ones.
WIDE = 0.85


def look(evidence: Evidence) -> Finding | None:
    batch, whole = evidence.late("batch_diversity"), evidence.at_start("real_diversity")
    if batch is None or whole is None or batch > NARROW or whole < WIDE or other_range(evidence):
        return None
    says = (
        "batches of real samples differ far less than the training data do: they are not shuffled"
    )
    numbers = [evidence.number("batch_diversity", ".85 to 1.1"),
               evidence.number("real_diversity", ".9 to 1.1", whole)]  # fmt: skip
    return finding("exact", says, 0.9, numbers, [Advice("", "shuffle the data")], ON_GAME)
