"""Weights move by a large share of themselves each step, or grow without bound.

How it shows: losses jump by orders of magnitude, and grids are saturated or change completely from
one to the next. A network moves by 6 % of its weights' norm or more in a mean step (`g_move`,
`d_move`), has grown to six times its start (`g_norm`, `d_norm`), or both rates are eight times the
method's; the samples are not good.

Why: both rates too high, gradients that are never cleared, no normalisation. Each step then leaves
the region for which its gradient was taken.

What helps: the method's own rates, or a tenth of the rates; gradient clipping or a normalisation of
D. Beside good samples leave it alone.

Source: soumith/ganhacks, tip 10 (gradients above 100 are a bad sign). The limits: ours
(benchmarks/diagnosis).
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Finding
from steadygan.diagnosis.rules import ON_GAME, back_to_sheet, finding, scaled


def look(evidence: Evidence) -> Finding | None:
    if evidence.is_good:
        return None
    moved = [evidence.late(f"{player}_move") or 0.0 for player in ("g", "d")]
    grown = [evidence.last(f"{player}_norm") or 1.0 for player in ("g", "d")]
    both = min(evidence.rate_factor("g"), evidence.rate_factor("d")) >= 8
    if not both and max(moved) < LARGE and max(grown) < GROWN:
        return None
    says = (
        "weights move by a large share of themselves at every step, or grow without"
        " end: steps are too large"
    )
    numbers = [evidence.number(f"{p}_{k}", healthy) for p in ("g", "d")
               for k, healthy in (("move", ".0005 to .03 a step"), ("norm", "1 to 3"))]  # fmt: skip
    sheet = back_to_sheet(evidence, "d_optimizer.lr", "g_optimizer.lr")
    cut = [scaled(evidence, p, 0.1, "a tenth of the rate") for p in ("d", "g")]
    return finding(
        "cause", says, 0.85 if both else 0.7, numbers, [sheet] if sheet else cut, ON_GAME
    )


#: Movement a step, and growth since the start, beyond those of any healthy run.
LARGE, GROWN = 0.06, 6.0
