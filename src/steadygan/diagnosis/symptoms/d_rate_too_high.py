"""The discriminator's learning rate alone is many times its method's.

How it shows: D's scores and loss jump, and samples change from one grid to the next without getting
better. The rate of D in the settings is eight times the method's or more, that of G is not, and the
samples are not good.

Why: each step of D overshoots, so that G follows a D that is another one at the next step. Its
weights may also grow until every score is extreme.

What helps: the method's own rate. Beside good samples leave it alone: plain games tolerated fifty
times their rate in some of our runs. With both rates too high the finding is steps-too-large.

Source: Radford et al. 2016, arXiv:1511.06434, section 4 (.001 is too high, .0002 instead). The
limits: ours (benchmarks/diagnosis).
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Finding
from steadygan.diagnosis.rules import rate_too_high


def look(evidence: Evidence) -> Finding | None:
    return rate_too_high(evidence, "d")
