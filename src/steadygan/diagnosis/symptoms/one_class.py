"""The real samples that D is given are far less diverse than held-out ones: one class of them.

How it shows: all samples are of one kind, as is what D was given. The samples of D's last batch
differ at most .75 times as much as held-out ones (`batch_diversity`), and before training so do the
training data (`real_diversity` up to .85). Without a probe before training it cannot be told from
batches that are not shuffled.

Why: a filter, a path or a wrong split left one class in the training part, while the held-out part
has all. Blank or repeated images and a batch in another range make distances small too, so these
are ruled out first.

What helps: look at the classes of the training part, and split again. Where one class is wanted,
the held-out part must be of that class too: then nothing alarms.

Source: ours (benchmarks/diagnosis).
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Advice, Finding
from steadygan.diagnosis.rules import ON_GAME, finding, other_range


def look(evidence: Evidence) -> Finding | None:
    diversity = evidence.late("batch_diversity")
    if diversity is None or diversity > 0.75 or (evidence.of_data("real_blank") or 0) > 0.05:
        return None
    if (evidence.of_data("real_duplicates") or 0) > 0.3:
        return None
    if other_range(evidence):
        return None
    whole = evidence.of_data("real_diversity")
    if whole is not None and whole > 0.85:
        return None  # the data are diverse: see unshuffled
    says = "the real samples that the discriminator is given differ far less than held-out ones: "
    says += "one class" if whole is not None else "one class, or batches that are not shuffled"
    numbers = [evidence.number("batch_diversity", ".85 to 1.1")]
    advice = [Advice("", "shuffle the data; check the classes with `steadygan data show`")]
    return finding("exact", says, 0.9, numbers, advice, ON_GAME)
