"""The generator takes many more steps an iteration than in its method.

How it shows: G's loss falls to nearly 0 between D's steps, and grids show one or a few pictures
that change all together. The settings have four times the method's steps of G or more, and the
samples are not good.

Why: against a D that stands still the best G gives the one sample that this D scores highest. Many
steps in a row lead there, and D then learns to reject that sample alone.

What helps: the method's own number, which is one for nearly all. Beside good samples leave it
alone.

Source: Metz et al. 2017 (unrolled GANs), arXiv:1611.02163. The limits: ours (benchmarks/diagnosis).
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Finding
from steadygan.diagnosis.rules import steps_too_many


def look(evidence: Evidence) -> Finding | None:
    return steps_too_many(evidence, "g")
