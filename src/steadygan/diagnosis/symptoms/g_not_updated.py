"""The generator does not move at all: its weights are those of the start.

How it shows: every grid is the same picture, and D's loss falls to 0. `g_travel` is exactly 0 at
every probe, and there are two or more.

Why: in a loop of one's own: a `detach` in its loss, an optimizer that holds the other network's
weights, or `requires_grad` off. A critic that is flat gives a gradient of exactly 0 as well (see
clip-too-small).

What helps: print which parameters its optimizer holds, and their `.grad` after the backward. G's
samples are detached in D's step and never in G's.

Source: tamarott/SinGAN#117 and wangle53/CSA-CDGAN#5 (`detach` in G's step),
heykeetae/Self-Attention-GAN#48 (in which step it belongs), keras-team/keras#4943 (the same of a D).
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Finding
from steadygan.diagnosis.rules import not_updated


def look(evidence: Evidence) -> Finding | None:
    return not_updated(evidence, "g")
