"""D tells all samples apart, and G's samples are bad and no longer get better.

How it shows: D's loss goes to 0, G's climbs, and grids stand still. `auc` is .985 or more over the
last third, the distance is above .2 and fell by no more than a tenth. It works for critics too,
since it is ranks that count.

Why: where D is certain, its score hardly changes with small changes of a sample, and tells G little
(`g_gain` near 0). It is an effect: a rate, a missing constraint or few data may stand behind it.

What helps: a smaller rate of D, noise on its inputs or a zero-centred penalty (R1). Early on D at 1
with an improving G is normal, and is left alone.

Source: soumith/ganhacks#2 (G .76 to 4.97 while D .60 to .0067) and #36 (D's loss of 0 early on may
be normal), osh/KerasGAN#14 (0 and 16), BadourAlBahar/pose-with-style#23; Mescheder et al. 2018,
arXiv:1801.04406, abstract (noise and zero-centred penalties converge).
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
