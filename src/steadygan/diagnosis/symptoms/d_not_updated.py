"""The discriminator does not move at all: its weights are those of the start.

In a loop of one's own: a `detach` in its loss, an optimizer that holds the other network's weights,
or `requires_grad` off (tamarott/SinGAN#117, heykeetae/Self-Attention-GAN#48,
keras-team/keras#4943).
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Finding
from steadygan.diagnosis.rules import not_updated


def look(evidence: Evidence) -> Finding | None:
    return not_updated(evidence, "d")
