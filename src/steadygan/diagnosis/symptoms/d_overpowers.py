"""D tells all samples apart, and G's steps hardly move its scores: G starves.

ganhacks#2, #36; works for critics too, since it is ranks that count. Early on D at 1 with an
improving G is normal, so samples must be bad and no longer improving.
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Advice, Finding
from steadygan.diagnosis.rules import ON_SAMPLES, finding, scaled


def look(evidence: Evidence) -> Finding | None:
    auc, gain = evidence.late("auc"), evidence.late("g_gain")
    if auc is None or auc < 0.985 or not evidence.is_bad or evidence.fell > 0.1:
        return None
    says = (
        "the discriminator tells every sample apart, and the generator's samples no"
        " longer get better"
    )
    numbers = [evidence.number("auc", ".6 to .98")]
    if gain is not None:
        numbers.append(evidence.number("g_gain", ".1 to 1.5"))
    advice = [scaled(evidence, "d", 0.25, "a quarter of D's rate"),
              Advice("--add instance-noise", "a common support for both"),
              Advice("--add r1:weight=1", "a zero-centred penalty")]  # fmt: skip
    return finding("effect", says, 0.65, numbers, advice, ON_SAMPLES)
