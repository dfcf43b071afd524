"""The discriminator does not move at all: its weights are those of the start.

In a loop of one's own: a `detach` in its loss, an optimizer that holds the other network's weights,
or `requires_grad` off (tamarott/SinGAN#117, heykeetae/Self-Attention-GAN#48,
keras-team/keras#4943).
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Advice, Finding
from steadygan.diagnosis.rules import ON_GAME, back_to_sheet, finding


def look(evidence: Evidence) -> Finding | None:
    moved = evidence.series("d_travel")
    if len(moved) < 2 or any(travel > 0 for _, travel in moved):
        return None
    says = (
        "the discriminator's weights are exactly those of the start: no step of its"
        " optimizer reaches them"
    )
    numbers = [evidence.number("d_travel", "above .1"), evidence.number("g_travel", "above .1")]
    advice = [
        back_to_sheet(evidence, "d_optimizer.lr"),
        Advice("", "check that its optimizer holds its weights, and that its loss reaches them"),
    ]
    return finding("exact", says, 1.0, numbers, advice, ON_GAME, step=moved[0][0])
