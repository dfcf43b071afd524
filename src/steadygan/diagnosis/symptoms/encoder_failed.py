"""The encoder of a BiGAN is not trained, or does not invert G.

How it shows: samples are fine, and reconstructions show other objects than the images they are of.
The encoder's weights are exactly those of the start at two probes or more (`encoder_travel`). Or
the distance of images to their reconstructions is .97 or more of that between two images
(`reconstruction`) while the samples are not bad: that is a note, since healthy runs come to it for
a long time.

Why: at the optimum G(E(x)) = x, but D sees E only through pairs (x, E(x)): where it tells these
pairs by the images alone, nothing trains E. An encoder whose weights are in no optimizer stays
where it is.

What helps: check that the encoder's weights are in G's optimizer, then train longer. While samples
are bad the note is left out, since no encoder can invert such a G.

Source: Donahue et al. 2017, arXiv:1605.09782, Theorem 2.
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import LEAST, Evidence
from steadygan.diagnosis.finding import Advice, Finding
from steadygan.diagnosis.rules import finding

#: Distances of images to their reconstructions, as a share of those to other images.
NO_BETTER = 0.97


def look(evidence: Evidence) -> Finding | None:
    moved = [travel for _, travel in evidence.series("encoder_travel")]
    if len(moved) >= 2 and not any(moved):
        says = "the encoder's weights are exactly those of the start: no step reaches them"
        numbers = [evidence.number("encoder_travel", "above .1")]
        advice = [Advice("", "check that its weights are in G's optimizer, and its path to D")]
        return finding("exact", says, 1.0, numbers, advice)
    off = evidence.late("reconstruction")
    if off is None or evidence.method != "bigan":
        return None
    if off < NO_BETTER or len(evidence.series("reconstruction")) < LEAST or evidence.is_bad:
        return None
    says = "samples are good and the encoder is not: G(E(x)) is no nearer to x than another image"
    numbers = [evidence.number("reconstruction", "below .9")]
    advice = [Advice("", "check that the encoder's weights are in G's optimizer; train longer")]
    return finding("note", says, 0.7, numbers, advice)
