"""The method normalises D's weights, and this run does not.

How it shows: scores and D's gradient norm grow, D tells all samples apart early, and
`d_spectral_norm` is not in the log. The method has spectral norm, this run has left it out, and the
samples are not good.

Why: the method's losses and rates are made for a D of bounded slope. Without the bound D grows
steep, and a hinge loss gives G a gradient of any size.

What helps: put spectral norm back, or bound D by a zero-centred penalty (R1). Beside good samples
leave it out.

Source: Miyato et al. 2018, arXiv:1802.05957; R1: Mescheder et al. 2018, arXiv:1801.04406, eq. 9.
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Advice, Finding
from steadygan.diagnosis.rules import ON_GAME, finding


def look(evidence: Evidence) -> Finding | None:
    if evidence.changes.get("spectral-norm") != ("true", None) or evidence.is_good:
        return None
    says = "the method's spectral normalisation of the discriminator is missing"
    numbers = [evidence.number("auc", "below .99"), evidence.number("score_std", "")]
    advice = [Advice("--add spectral-norm", "the method has it"),
              Advice("--add r1:weight=1", "a zero-centred penalty bounds D too")]  # fmt: skip
    return finding("cause", says, 0.85, numbers, advice, (*ON_GAME, "steps-too-large"))
