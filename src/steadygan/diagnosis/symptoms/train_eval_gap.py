"""G gives other samples in eval mode than in training: running statistics do not fit.

duxingren14/DualGAN#10 ("noisy points in eval"), CycleGAN#1329.
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
