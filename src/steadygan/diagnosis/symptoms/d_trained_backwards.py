"""D's steps put fakes above real samples, and D ends up doing so.

How it shows: D(G(z)) is above D(x) in the log, and D's loss rises. At most probes D's step moved
scores the wrong way (`d_gain` at or below 0) and D ranks fakes above real samples (`auc` of .4 or
below), or `auc` is at most .1 while D has moved; the samples are not good.

Why: the sign of D's loss is turned, or its two targets are swapped. A critic near its optimum has
steps of either sign; so D must also be wrong about the samples.

What helps: turn the sign of D's loss or swap its targets, in D's loss alone. Labels that are
swapped in both losses are harmless; `steadygan.watch` is then told `real_is_high=False`.

Source: keras-team/keras-io#361 and fchollet/deep-learning-with-python-notebooks#9 (consistently
swapped labels). The limits: ours (benchmarks/diagnosis).
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import LEAST, Evidence
from steadygan.diagnosis.finding import Advice, Finding
from steadygan.diagnosis.rules import ON_GAME, finding


def look(evidence: Evidence) -> Finding | None:
    gain, auc, moved = (evidence.late(key) for key in ("d_gain", "auc", "d_travel"))
    if gain is None or auc is None or moved is None or len(evidence.series("d_gain")) < LEAST:
        return None
    wrong_steps = evidence.share("d_gain", high=0.0) >= 0.7 and auc <= 0.4
    wrong_end = evidence.share("auc", high=0.1) >= 0.7 and gain < 0.05 and moved > 0.1
    if evidence.is_good or not (wrong_steps or wrong_end):
        return None
    says = (
        "steps of the discriminator put generated samples above real ones: it is trained backwards"
    )
    numbers = [evidence.number("d_gain", "above 0"), evidence.number("auc", ".6 to 1")]
    advice = [Advice("", "turn the sign of the discriminator's loss, or swap its targets")]
    return finding("cause", says, 0.95 if wrong_steps else 0.8, numbers, advice, ON_GAME)
