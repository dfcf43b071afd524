"""G gives nearly one sample whatever its latent, after it had some spread.

How it shows: all tiles of a grid are nearly the same picture, which may change from grid to grid.
Two samples differ at most .2 times as much as two held-out ones (`diversity`) over the last third,
and before training they differed.

Why: D judges each sample alone, so that every latent may go to the one sample that it scores
highest. An unbounded or overpowering D, a rate too high or too little data lead there.

What helps: R1 or spectral norm on D and equal rates; minibatch discrimination, which lets D see how
alike a batch is. A collapse of long standing rarely mends itself: go back to an earlier checkpoint.

Source: Salimans et al. 2016, arXiv:1606.03498, section 3.2; Metz et al. 2017, arXiv:1611.02163
(unrolled GANs); wiseodd/generative-models#14 (all samples a one), akanimax/BMSG-GAN#38 and
akanimax/T2F#20 (400 images: augmentation).
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Advice, Finding
from steadygan.diagnosis.rules import finding


def look(evidence: Evidence) -> Finding | None:
    spread = evidence.late("diversity")
    if spread is None or spread > 0.2 or len(evidence.series("diversity")) < 3:
        return None
    began = evidence.at_start("diversity")
    if began is not None and began < 0.01:
        return None
    says = "the generator gives nearly one sample whatever its latent"
    numbers = [
        evidence.number("diversity", ".8 to 1.1"),
        evidence.number("duplicates", "below .05"),
    ]
    advice = [Advice("--add r1:weight=1", "a zero-centred penalty"),
              Advice("--add minibatch-discrimination", "D sees how alike a batch is"),
              Advice("--add spectral-norm", "a bounded D")]  # fmt: skip
    return finding(
        "effect", says, 0.8, numbers, advice, ("bad-samples", "partial-collapse", "plateau")
    )
