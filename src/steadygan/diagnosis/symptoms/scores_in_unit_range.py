"""All scores lie in [0, 1] under a loss of raw scores: D ends in a sigmoid, and the loss takes
another.

How it shows: D's loss falls a little and then stays far above 0, however bad the samples. The least
and largest score of every probe lie in [0, 1], under an objective that takes raw scores. A watched
loop does not tell its objective, so there it is not looked for.

Why: the loss applies a sigmoid of its own (BCEWithLogitsLoss). Binary cross entropy then cannot
fall below softplus(-1) + softplus(0) = 1.006, and D's gradient is small at both ends.

What helps: drop the sigmoid at D's end, or keep it and take the loss of probabilities (BCELoss).
Scores of least squares may well lie in [0, 1], and those of critics and
relativistic games have a free offset: these are left alone.

Source: torchgan/torchgan#116 (asks for this warning), soumith/ganhacks#36 and #67 (cases).
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Advice, Finding
from steadygan.diagnosis.rules import ON_GAME, finding

#: Objectives whose scores have 0 where D is undecided. Those of lsgan may well lie in [0, 1], and
#: critics and relativistic objectives leave the offset of scores free.
RAW = ("ns", "ns-linear", "minimax", "hinge")


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
