"""Each step of G lowers D's score of its samples: a label or a sign is the wrong way round.

How it shows: G's loss rises from the first step, D's falls to 0 and samples get worse or saturate.
At four of five probes or more G's step lowered D's score of its samples (`g_gain`), `auc` is .9 or
more, and the samples are not good.

Why: the target or the sign of G's loss is that of D's. An `auc` of .9 is asked for because a G that
is trained backwards never deceives D.

What helps: turn the sign of G's loss, or its target. Consistently swapped labels are harmless and
do not alarm: what counts is what a step of G does to the score of its own samples.

Source: Zeleni9/pytorch-wgan#53 (a sign that trained G the wrong way, fixed);
keras-team/keras-io#361 and fchollet/deep-learning-with-python-notebooks#9 (consistently swapped
labels).
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import LEAST, Evidence
from steadygan.diagnosis.finding import Advice, Finding
from steadygan.diagnosis.rules import ON_GAME, finding


def look(evidence: Evidence) -> Finding | None:
    gains = evidence.series("g_gain")
    if len(gains) < LEAST or evidence.share("g_gain", high=0.0) < 0.8:
        return None
    if (gain := evidence.late("g_gain")) is None or gain >= 0 or evidence.is_good:
        return None
    if (evidence.late("auc") or 0.0) < 0.9:  # trained backwards, it never deceives D
        return None
    says = (
        "steps of the generator lower the discriminator's score of its samples: it "
        "is trained backwards"
    )
    numbers = [evidence.number("g_gain", "above 0: about .1 to 1.5")]
    advice = [Advice("", "turn the sign of the generator's loss, or its target")]
    return finding("cause", says, 0.95, numbers, advice, ON_GAME, step=gains[0][0])
