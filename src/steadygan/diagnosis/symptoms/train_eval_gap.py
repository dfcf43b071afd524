"""G gives other samples in eval mode than in training: running statistics do not fit.

How it shows: in samples/modes.png the row in training mode looks right, and that in eval mode is
noisy or washed out. The two differ by .35 of the data's spread or more, pixel by pixel
(`mode_gap`).

Why: batch norm uses the batch's own statistics in training and running ones in eval mode. These lag
behind fast weights, are noisy from small batches, or were never updated; dropout in G makes a gap
as well.

What helps: larger batches, or statistics computed anew over some 100 batches. Where samples are
drawn in training mode on purpose, as by pix2pix, leave it alone.

Source: duxingren14/DualGAN#10 (only "noisy points" in testing mode),
junyanz/pytorch-CycleGAN-and-pix2pix#1329, odegeasslbc/FastGAN-pytorch#4.
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Advice, Finding
from steadygan.diagnosis.rules import finding


def look(evidence: Evidence) -> Finding | None:
    gap = evidence.late("mode_gap")
    if gap is None or gap < 0.35 or len(evidence.series("mode_gap")) < 3:
        return None
    says = (
        "the generator gives other samples in eval mode than in training: its "
        "running statistics do not fit"
    )
    numbers = [evidence.number("mode_gap", "below .15")]
    advice = [
        Advice("", "larger batches, or recompute the statistics of batch norm over 100 batches")
    ]
    return finding("effect", says, 0.8, numbers, advice, ("bad-samples",))
