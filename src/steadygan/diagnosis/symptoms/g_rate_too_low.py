"""The generator hardly moves while the other network does: its rate is far too low.

How it shows: grids stay nearly those of the start while D's loss falls to 0. At the end G has moved
by at most 4 % of its weights' norm (`g_travel`) and D four times as far, or G's rate is 3 % of the
method's or less while D's is not low; the samples are not good.

Why: a step of Adam is about the learning rate, whatever the gradient, so that the distance from the
start tells how much G can have learned. At least 50 steps are asked for, since before that no
network has moved far.

What helps: the method's own rate, or ten times the rate. Where both rates are low the finding is
hardly-moved, and where the weights stand exactly still it is g-not-updated.

Source: Heusel et al. 2017, arXiv:1706.08500 (rates of the two networks). The limits: ours
(benchmarks/diagnosis).
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Finding
from steadygan.diagnosis.rules import rate_too_low

#: A network that learned something had travelled further than this, in shares of its start.
LEAST = 0.04


def look(evidence: Evidence) -> Finding | None:
    return rate_too_low(evidence, "g", LEAST)
