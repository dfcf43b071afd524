"""The discriminator does not move at all: its weights are those of the start.

How it shows: D's loss stays about that of an undecided D, and samples drift without getting better.
`d_travel` is exactly 0 at every probe, and there are two or more.

Why: in a loop of one's own: a `detach` in its loss, an optimizer that holds the other network's
weights, or `requires_grad` off. Under a tiny learning rate it would move a little, which is another
finding.

What helps: print which parameters its optimizer holds, and their `.grad` after the backward. G's
samples are detached in D's step and never in G's.

Source: tamarott/SinGAN#117, heykeetae/Self-Attention-GAN#48 (in which step the detach belongs),
keras-team/keras#4943 (a D that is "frozen": no loss ever changes).
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Finding
from steadygan.diagnosis.rules import not_updated


def look(evidence: Evidence) -> Finding | None:
    return not_updated(evidence, "d")
