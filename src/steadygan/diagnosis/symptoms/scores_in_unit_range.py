"""All scores lie in [0, 1] under a loss of raw scores: D ends in a sigmoid, and the loss takes
another.

torchgan/torchgan#116 asks for this warning; ganhacks#36 and #67 are cases. Binary cross entropy
then cannot fall below softplus(-1) + softplus(0) = 1.006.
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Advice, Finding
from steadygan.diagnosis.rules import ON_GAME, finding

#: Objectives whose scores are log-odds or unbounded; those of lsgan may well lie in [0, 1].
RAW = ("ns", "ns-linear", "minimax", "hinge", "wasserstein", "rpgan", "ragan")


def look(evidence: Evidence) -> Finding | None:
    low, high = evidence.series("score_min"), evidence.series("score_max")
    if evidence.objective not in RAW or len(low) < 3 or len(high) < 3:
        return None
    if min(v for _, v in low) < 0 or max(v for _, v in high) > 1:
        return None
    says = (
        "every score of the discriminator lies in [0, 1]: it ends in a sigmoid, and"
        " the loss takes another"
    )
    numbers = [evidence.number("score_min", "below 0"), evidence.number("score_max", "above 1")]
    advice = [
        Advice("", "drop the sigmoid at the end of the discriminator: losses want raw scores")
    ]
    return finding("exact", says, 0.95, numbers, advice, ON_GAME, step=low[0][0])
