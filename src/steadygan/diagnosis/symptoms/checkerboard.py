"""Samples have a pattern of one pixel's period that real ones have not: a checkerboard.

How it shows: flat areas of the samples show alternating light and dark pixels on a regular grid.
The power at the highest frequency is over 15 times that of real samples (`nyquist`, a log10, of 1.2
or more), while high frequencies as a whole are not raised alike (`fine`), which would be noise.

Why: a transposed convolution whose kernel is no multiple of its stride writes to some pixels more
often than to others.

What helps: a kernel that is a multiple of the stride (4 with stride 2), or to resize and then
convolve. Early in training it is common and goes away, so first train on.

Source: Odena et al. 2016, "Deconvolution and Checkerboard Artifacts"
(distill.pub/2016/deconv-checkerboard); Durall et al. 2020, arXiv:2003.01826, abstract;
junyanz/pytorch-CycleGAN-and-pix2pix#78 and #190 (goes away with enough training),
soumith/ganhacks#59, colemiller94/gatedgan#2.
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
