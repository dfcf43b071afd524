"""Real images repeat: there are few distinct ones, and D can know them by heart.

How it shows: samples become near copies of a few pictures, and held-out scores fall away from those
of training images. Before training, 30 % or more of a draw of real images have an exact repeat in
it (`real_duplicates`).

Why: the same file under several names, frames of a still video, or a small set repeated to make an
epoch longer. A small set without repeats does not show here, and is seen by d-memorises. Blank
images repeat too and are reported as such.

What helps: leave repeats out (`steadygan data build folder SRC OUT --dedupe`), get more images, or
augment what D sees. Augmentation that does not leak is what helps with few images.

Source: Karras et al. 2020, arXiv:2006.06676; Zhao et al. 2020, arXiv:2006.10738;
akanimax/BMSG-GAN#38 and akanimax/T2F#20 (collapse with 400 images).
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Advice, Finding
from steadygan.diagnosis.rules import ON_GAME, finding


def look(evidence: Evidence) -> Finding | None:
    repeated = evidence.of_data("real_duplicates")
    if repeated is None or repeated < 0.3 or (evidence.of_data("real_blank") or 0) > 0.05:
        return None
    says = (
        f"{repeated:.0%} of a draw of real images repeat one another: there are few distinct ones"
    )
    numbers = [evidence.number("real_duplicates", "below .05", repeated),
               evidence.number("auc_memory", ".45 to .6")]  # fmt: skip
    without = "`steadygan data build folder SRC OUT --dedupe`, and more images"
    advice = [Advice("--add diffaugment", "augmentation of what D sees, for few images"),
              Advice("", without)]  # fmt: skip
    return finding("exact", says, 0.9, numbers, advice, (*ON_GAME, "d-memorises"), step=0)
