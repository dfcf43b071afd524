"""G shows all classes, and within each of them nearly one sample.

How it shows: a grid shows every class, and each looks the same wherever it occurs. By the class of
each sample's nearest real one: distances within a class are at most .4 of held-out samples'
(`class_spread`) while .6 of the classes or more are there (`classes`), and the samples are not
good. Needs labelled data.

Why: one sample a class can satisfy a D that judges each sample alone, or a conditional G draws its
class and ignores its noise (see noise-ignored).

What helps: minibatch discrimination, by which D sees how alike a batch is, and a check of the noise
of a conditional G. A count of classes alone does not show it.

Source: Salimans et al. 2016, arXiv:1606.03498, section 3.2. The limits: ours
(benchmarks/diagnosis).
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import LEAST, Evidence
from steadygan.diagnosis.finding import Advice, Finding
from steadygan.diagnosis.rules import finding


def look(evidence: Evidence) -> Finding | None:
    spread, seen = evidence.late("class_spread"), evidence.late("classes")
    if spread is None or seen is None or len(evidence.series("class_spread")) < LEAST:
        return None
    if spread > 0.4 or seen < 0.6 or evidence.is_good:
        return None
    says = "the generator shows most classes, and within a class its samples are nearly the same"
    numbers = [evidence.number("class_spread", ".7 to 1.1"), evidence.number("classes", ".8 to 1")]
    advice = [Advice("--add minibatch-discrimination", "D sees how alike a batch is")]
    return finding("effect", says, 0.6, numbers, advice, ("bad-samples",))
