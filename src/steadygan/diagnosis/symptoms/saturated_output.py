"""G's values are at the ends of tanh far more often than real ones: no gradient passes there.

How it shows: samples are black and white or in pure colours, without middle tones. The share of
values at the ends of tanh is 30 points or more above that of the data (`saturated`), and the
distance is above .2.

Why: the sums before tanh have grown large, by large steps, a large start or a D that rewards
contrast. The slope of tanh is nearly 0 there, so that G cannot go back.

What helps: the default initialisation and a smaller rate of G. Data that are black and white
themselves, as digits are, count as they should: only what is beyond them is measured.

Source: ours (benchmarks/diagnosis).
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Advice, Finding
from steadygan.diagnosis.rules import finding


def look(evidence: Evidence) -> Finding | None:
    share = evidence.late("saturated")
    if share is None or share < 0.3 or not evidence.is_bad:
        return None
    says = (
        f"{share:.0%} more of the generator's values are at the ends of their range than real ones"
    )
    numbers = [evidence.number("saturated", "below .1")]
    advice = [Advice("", "the default initialisation, and a smaller rate of the generator")]
    return finding(
        "effect", says, 0.7, numbers, advice, ("bad-samples", "total-collapse", "partial-collapse")
    )
