"""A share of the real images is blank, and G learns to make blank ones.

How it shows: grids hold empty tiles of one even value, and D scores these high. Before training,
5 % or more of a draw of the real images have no spread of pixels (`real_blank`).

Why: blank files are data to D like all others, so G is right to make them. They come from failed
downloads, from crops beside the object, or from transparent pictures read without their alpha.

What helps: leave the blank images out and build the data again. Where they belong to the data, as
empty frames of a video may, leave it alone.

Source: ours (benchmarks/diagnosis).
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Advice, Finding
from steadygan.diagnosis.rules import ON_SAMPLES, finding


def look(evidence: Evidence) -> Finding | None:
    blank = evidence.of_data("real_blank")
    if blank is None or blank < 0.05 or evidence.of_points:
        return None
    says = f"{blank:.0%} of the real images are blank"
    numbers = [evidence.number("real_blank", "0", blank)]
    advice = [Advice("", "`steadygan data show` lists what the images are; leave blank ones out")]
    return finding("exact", says, 0.95, numbers, advice, ON_SAMPLES, step=0)
