"""The pre-trained auto-encoder rebuilds nothing, so its features say nothing of an image.

How it shows: the loss of the pre-training has not fallen, and its reconstructions all look like one
mean image. The distance of images to their reconstructions is .9 or more of that between two images
(`reconstruction`).

Why: the auto-encoder had too few steps or too small a rate before it was frozen. The decoding
constraint then draws G to decode noise.

What helps: the method's own number of pre-training steps and its rate. It has to be trained again,
since the auto-encoder is frozen in the run.

Source: Chen et al. 2022, "GANs under Decoding Constraint" (methods/decoding.py says what of it is
public).
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
