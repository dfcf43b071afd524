"""The pre-trained auto-encoder rebuilds nothing, so its features say nothing of an image.

The decoding constraint then draws G to decode noise (Chen et al. 2022, section 3).
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Finding
from steadygan.diagnosis.rules import ON_GAME, back_to_sheet, finding

#: Distances of images to their reconstructions, as a share of those to other images.
NO_BETTER = 0.9


def look(evidence: Evidence) -> Finding | None:
    off = evidence.late("reconstruction")
    if off is None or off < NO_BETTER or evidence.method == "bigan":
        return None
    says = "the pre-trained auto-encoder's reconstructions are no nearer than other images are"
    numbers = [evidence.number("reconstruction", "below .6")]
    advice = [back_to_sheet(evidence, "autoencoder_steps", "ae_optimizer.lr")]
    return finding("cause", says, 0.9, numbers, advice, ON_GAME)
