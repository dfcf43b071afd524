"""The clip lets weights grow far beyond its method's bound: the critic's slope is unbounded in
effect.

How it shows: the critic's scores and loss are large and jump, `slope` is far above 1, and few
weights are at the clip (`clipped_share`). The bound in the settings is eight times the method's or
more, and the samples are not good.

Why: the clip stands in for a limit of the critic's slope. The slope grows with the product of the
layers' weights, so ten times the bound can mean thousands of times the slope.

What helps: the method's own bound, or a gradient penalty in place of the clip. Beside good samples
leave it alone.

Source: Arjovsky et al. 2017, arXiv:1701.07875; Gulrajani et al. 2017, arXiv:1704.00028, section 3.
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Finding
from steadygan.diagnosis.rules import ON_GAME, back_to_sheet, finding


def look(evidence: Evidence) -> Finding | None:
    before, now = evidence.changes.get("weight-clip.bound", (None, None))
    if (
        not isinstance(before, float)
        or not isinstance(now, float)
        or now < 8 * before
        or evidence.is_good
    ):
        return None
    says = (
        f"weights are clipped at {now:g}, {before:g} in the method: the critic's "
        f"slope is hardly bounded"
    )
    numbers = [evidence.number("slope", "about 1 or below")]
    return finding("cause", says, 0.85, numbers, [back_to_sheet(evidence, "weight-clip.bound")],
                   (*ON_GAME, "critic-unbounded", "steps-too-large"))  # fmt: skip
