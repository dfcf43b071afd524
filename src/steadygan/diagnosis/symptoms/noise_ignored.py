"""G's samples follow its class (or codes) and nothing else: one sample a class.

A conditional generator whose noise has no effect; the collapse within classes of Mirza & Osindero's
conditional game where labels alone satisfy D.
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import LEAST, Evidence
from steadygan.diagnosis.finding import Advice, Finding
from steadygan.diagnosis.rules import ON_SAMPLES, finding

#: Other classes move samples so many times as far as other noise does.
MOST = 8.0


def look(evidence: Evidence) -> Finding | None:
    effect = evidence.late("code_effect")
    if effect is None or effect < MOST or len(evidence.series("code_effect")) < LEAST:
        return None
    says = "the generator's samples change with its class or codes alone: it ignores its noise"
    numbers = [evidence.number("code_effect", ".4 to 4")]
    advice = [Advice("", "check that the noise reaches the generator's first layer, and its scale")]
    return finding("cause", says, 0.85, numbers, advice, (*ON_SAMPLES, "within-class-collapse"))
