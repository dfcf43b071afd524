"""G is good and its moving average is not: the average lags, or its statistics are stale.

boschresearch/OASIS#21, rosinality/stylegan2-pytorch#172: buffers of the average that nobody copies.
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Advice, Finding
from steadygan.diagnosis.rules import back_to_sheet, finding


def look(evidence: Evidence) -> Finding | None:
    plain, average = evidence.late("way"), evidence.late("ema_way")
    if plain is None or average is None or len(evidence.series("ema_way")) < 3:
        return None
    if average - plain < 0.15 or average < 1.5 * plain:
        return None
    says = (
        "the generator's samples are far better than those of its moving average, which samples "
        "are drawn from: the average lags behind, or has stale statistics"
    )
    numbers = [evidence.number("ema_way", "at most that of the generator itself"),
               evidence.number("way", "0 to .2")]  # fmt: skip
    advice = [back_to_sheet(evidence, "ema.halflife_images", "ema.ramp"),
              Advice("", "copy the buffers of batch norm into the average")]  # fmt: skip
    return finding(
        "cause",
        says,
        0.9,
        numbers,
        advice,
        ("bad-samples", "still-improving", "total-collapse", "partial-collapse", "plateau"),
    )
