"""Samples have a pattern of one pixel's period that real ones have not: a checkerboard.

Odena et al. 2016, "Deconvolution and Checkerboard Artifacts": a kernel that is no multiple of its
stride. Early in training it is common and goes away.
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import LEAST, Evidence
from steadygan.diagnosis.finding import Advice, Finding
from steadygan.diagnosis.rules import finding

#: log10 of the power at the highest frequency, beside real samples; and of all high frequencies,
#: above which it is noise and no pattern.
PATTERN, NOISE = 1.2, 0.7


def look(evidence: Evidence) -> Finding | None:
    top, high = evidence.late("nyquist"), evidence.late("fine")
    if top is None or high is None or len(evidence.series("nyquist")) < LEAST:
        return None
    if top < PATTERN or high > NOISE or top < 2 * high:
        return None
    says = "samples have a checkerboard: far more power at the highest frequency than real ones"
    numbers = [evidence.number("nyquist", "below .9"), evidence.number("fine", "-.3 to .2")]
    advice = [Advice("kernel=4", "a kernel that is a multiple of the stride, 2")]
    return finding("effect", says, 0.4, numbers, advice, ("bad-samples",))
