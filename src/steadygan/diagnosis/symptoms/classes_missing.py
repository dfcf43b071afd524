"""G shows few of the classes of the data: mode collapse by class.

How it shows: a grid shows two or three of ten classes, each perhaps well drawn. By the class of
each sample's nearest real one: how many classes they make (`classes`, exp(entropy)) is at most .45
of what held-out samples make, and the samples are not good. Data without labels, or with under six
real samples a class in a probe, have no such signal.

Why: D judges each sample alone, so a few kinds that it scores high are enough for G. That is common
early on, and with a D that has fallen behind.

What helps: let D see a whole batch (minibatch discrimination), or a relativistic objective with a
zero-centred penalty. In a short run train on first, since classes often come in one after the
other.

Source: Salimans et al. 2016, arXiv:1606.03498, section 3.2 (minibatch discrimination); Arora &
Zhang 2017; wiseodd/generative-models#14 (a vanilla GAN that ends with ones alone).
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import LEAST, Evidence
from steadygan.diagnosis.finding import Advice, Finding
from steadygan.diagnosis.rules import finding, longer


def look(evidence: Evidence) -> Finding | None:
    seen = evidence.late("classes")
    if seen is None or seen > 0.45 or evidence.is_good or len(evidence.series("classes")) < LEAST:
        return None
    says = f"the samples show about {seen:.0%} of the classes of the data"
    numbers = [evidence.number("classes", ".8 to 1"), evidence.number("duplicates", "below .05")]
    advice = [Advice("--add minibatch-discrimination", "D sees how alike a batch is"),
              longer(evidence)]  # fmt: skip
    return finding("effect", says, 0.5, numbers, advice, ("bad-samples",))
