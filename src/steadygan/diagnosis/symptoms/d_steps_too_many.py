"""The discriminator takes many more steps an iteration than in its method.

How it shows: D's loss is near 0 from early on, grids change slowly, and most of the time goes into
D. The settings have four times the method's steps of D or more, and the samples are not good.

Why: under a logarithmic loss a D near its optimum gives G a vanishing or useless gradient. G also
gets fewer steps in the same time.

What helps: the method's own number. Critics under a clip or a gradient penalty are made for several
steps (five in WGAN), which their own settings have; beside good samples leave it alone.

Source: Arjovsky & Bottou 2017, arXiv:1701.04862; Arjovsky et al. 2017, arXiv:1701.07875, Algorithm
1 (five steps of a critic).
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Finding
from steadygan.diagnosis.rules import steps_too_many


def look(evidence: Evidence) -> Finding | None:
    return steps_too_many(evidence, "d")
