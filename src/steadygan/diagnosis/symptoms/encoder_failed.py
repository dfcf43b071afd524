"""The encoder of a BiGAN does not invert G: what G makes of E(x) is no nearer to x than another
image is.

How it shows: samples are fine, and reconstructions show other objects than the images they are of.
The distance of images to their reconstructions is .97 or more of that between two images
(`reconstruction`), and the samples are not bad.

Why: at the optimum G(E(x)) = x, but D sees E only through pairs (x, E(x)): where it tells these
pairs by the images alone, nothing trains E. An encoder whose weights are in no optimizer looks the
same.

What helps: check that the encoder's weights are in G's optimizer, then train longer. While samples
are bad this is not reported, since no encoder can invert such a G.

Source: Donahue et al. 2017, arXiv:1605.09782, Theorem 2.
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import LEAST, Evidence
from steadygan.diagnosis.finding import Advice, Finding, Kind
from steadygan.diagnosis.rules import finding

#: Distances of images to their reconstructions, as a share of those to other images.
NO_BETTER = 0.97


def look(evidence: Evidence) -> Finding | None:
    off = evidence.late("reconstruction")
    if off is None or evidence.method != "bigan":
        return None
    if off < NO_BETTER or len(evidence.series("reconstruction")) < LEAST or evidence.is_bad:
        return None
    says = "samples are good and the encoder is not: G(E(x)) is no nearer to x than another image"
    numbers = [evidence.number("reconstruction", "below .9")]
    advice = [Advice("", "check that the encoder's weights are in G's optimizer; train longer")]
    kind: Kind = "cause" if evidence.is_good else "note"
    return finding(kind, says, 0.7, numbers, advice)
