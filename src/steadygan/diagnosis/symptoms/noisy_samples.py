"""Samples have far more fine detail than real ones: single light and dark pixels, as of noise.

How it shows: objects can be recognised and are covered with specks, and their edges are ragged. The
power at high frequencies is over twice that of real samples (`fine`, a log10, of .3 or more), and
not at the highest one alone, which would be a checkerboard.

Why: each pixel comes from weights of its own, as at the end of a fully connected generator, and no
layer makes neighbours alike. Early in training any network can show it.

What helps: a generator of convolutions (`dcgan` beside `gan`), and an average of its weights. GAN,
2,000 iterations on digits, six seeds: 3.2 times the detail of real digits, where the convolutional
InfoGAN, WGAN-GP and DCGAN have 1.1 times (docs/claims.md).

Source: ours (`python -m benchmarks.claims run digits`); Radford et al. 2016, arXiv:1511.06434,
section 2.2 (images of the first GANs are noisy and incomprehensible).
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import LEAST, Evidence
from steadygan.diagnosis.finding import Advice, Finding
from steadygan.diagnosis.rules import finding

#: log10 of the power at high frequencies, beside real samples: twice it.
NOISE = 0.3


def look(evidence: Evidence) -> Finding | None:
    high, top = evidence.late("fine"), evidence.late("nyquist")
    if high is None or top is None or len(evidence.series("fine")) < LEAST:
        return None
    if high < NOISE or top >= 2 * high:
        return None
    says = f"samples have {10**high:.1f} times the fine detail of real ones: specks, as of noise"
    numbers = [evidence.number("fine", "-.3 to .2"), evidence.number("nyquist", "below .9")]
    advice = [Advice("", "a generator of convolutions, such as dcgan's")]
    return finding("effect", says, 0.4, numbers, advice, ("bad-samples",))
