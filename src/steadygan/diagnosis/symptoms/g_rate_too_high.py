"""The generator's learning rate alone is many times its method's.

How it shows: grids change completely from one to the next, or show one saturated picture, and G's
loss jumps. The rate of G in the settings is eight times the method's or more, that of D is not, and
the samples are not good.

Why: each step of G overshoots what D's gradient says about its samples. Weights that grow drive
tanh to its ends, where no gradient passes.

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
    return rate_too_high(evidence, "g")
