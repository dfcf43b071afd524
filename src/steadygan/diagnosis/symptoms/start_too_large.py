"""G's values are at the ends of tanh before training: it starts from weights that are too large.

How it shows: the grid of step 0 is hard black and white noise instead of even grey. Before training
the share of values at the ends of tanh is 20 points or more above that of the data (`saturated`),
and the samples are not good later.

Why: an initialisation of one's own, a scale that is applied twice, or no normalisation between wide
layers. Where tanh is saturated hardly any gradient passes, so training begins from a place that it
can hardly leave.

What helps: the default initialisation of the method. Where samples turn out good it is no fault.

Source: Radford et al. 2016, arXiv:1511.06434, section 4 (weights from a normal distribution of
standard deviation .02). The limit: ours (benchmarks/diagnosis).
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Advice, Finding
from steadygan.diagnosis.rules import ON_GAME, finding


def look(evidence: Evidence) -> Finding | None:
    share = evidence.at_start("saturated")
    if share is None or share < 0.2 or evidence.is_good:
        return None
    says = "the generator's output is saturated before training: its initial weights are too large"
    numbers = [evidence.number("saturated", "below 0 before training", share)]
    advice = [Advice("", "the default initialisation of the method")]
    return finding("cause", says, 0.9, numbers, advice, ON_GAME, step=0)
