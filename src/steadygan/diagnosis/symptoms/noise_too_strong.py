"""So much noise is put on D's inputs that real and generated samples look alike to it.

How it shows: D's loss stays at that of an undecided D, and samples stay blurred or noisy
themselves. The noise on D's inputs starts with a standard deviation of 1 or more, where images lie
in [-1, 1], and the samples are not good.

Why: noise gives real and generated samples a common support, which is its use; at the size of the
data it hides what D is to look at.

What helps: a standard deviation of about .1, falling to 0, or none. Where it falls to 0 over the
run, train on to there first.

Source: Sonderby et al. 2017, arXiv:1610.04490; Arjovsky & Bottou 2017, arXiv:1701.04862, section 3.
The limit: ours (benchmarks/diagnosis).
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Advice, Finding
from steadygan.diagnosis.rules import ON_GAME, finding
from steadygan.stability.signals import number


def look(evidence: Evidence) -> Finding | None:
    sigma = number((evidence.parts().get("instance-noise") or {}).get("sigma")) or 0.0
    if sigma < 1 or evidence.is_good:
        return None
    says = f"noise of standard deviation {sigma:g} is put on D's inputs, which lie in [-1, 1]"
    advice = [Advice("instance-noise.sigma=0.1", "the usual size"),
              Advice("--drop instance-noise", "without it")]  # fmt: skip
    return finding("cause", says, 0.85, [evidence.number("auc", ".6 to 1")], advice, ON_GAME)
