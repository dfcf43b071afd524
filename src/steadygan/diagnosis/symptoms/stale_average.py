"""G is good and its moving average is not: the average lags, or its statistics are stale.

How it shows: in samples/modes.png the rows of G look right, and that of the average, which the
grids are drawn from, is noise or an early stage. The average's distance (`ema_way`) is .15 or more
above that of G itself (`way`), at least 1.5 times it, and above that of G at the probe before.

Why: the average remembers more images than the run has had, or only weights are averaged, and the
buffers of batch norm are copied by nobody.

What helps: a shorter half-life or a ramp at the start; copy the buffers, or compute the statistics
anew over some 100 batches. Early in a run an average lags by nature: train on.

Source: boschresearch/OASIS#21, rosinality/stylegan2-pytorch#172 and odegeasslbc/FastGAN-pytorch#4:
buffers of the average that nobody copies.
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Advice, Finding
from steadygan.diagnosis.rules import back_to_sheet, finding


def look(evidence: Evidence) -> Finding | None:
    plain, average = evidence.late("way"), evidence.late("ema_way")
    if plain is None or average is None or len(evidence.series("ema_way")) < 3:
        return None
    if evidence.usable:
        return None  # evaluations are of the average
    if average - plain < 0.15 or average < 1.5 * plain:
        return None
    ways, averages = evidence.series("way"), evidence.series("ema_way")
    if len(ways) > 1 and averages[-1][1] <= max(ways[-2][1], ways[-1][1]):
        return None  # G has just come so far, and its average follows, or is there
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
