"""Samples had been good, and are no longer.

How it shows: late grids are worse than earlier ones, often from one to the next, and evaluations
rise. The distance was .25 or less at some probe, and at the last one it is at least twice that and
.12 more. Where the run was evaluated, its last distance is over 1.5 times the best above that of
real samples, too.

Why: long runs meet it where rates stay as high as at the start, or where D has memorised the data.
In BigGAN the largest singular values of G's first layers jump at that point.

What helps: go back to the best checkpoint, which is kept where the run is evaluated, and go on from
there with smaller rates, or stop there.

Source: NVlabs/stylegan2-ada-pytorch#159 (7.8 to 300-500), ajbrock/BigGAN-PyTorch#40, #75 and #91;
Brock et al. 2019; Liu et al. 2019 (SR-GAN), arXiv:1908.10999, abstract (many singular values of D
drop at a collapse).
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Advice, Finding
from steadygan.diagnosis.rules import finding, scaled


def look(evidence: Evidence) -> Finding | None:
    key = "ema_way" if evidence.series("ema_way") else "way"
    series = evidence.series(key)
    if len(series) < 4:
        return None
    step, best = min(series[:-1], key=lambda pair: pair[1])
    last = series[-1][1]
    if best > 0.25 or last < best + 0.12 or last < 2 * best or evidence.kept_best:
        return None
    says = f"samples were best at step {step:,} and are far worse now"
    numbers = [evidence.number(key, f"{best:.2g}, as at step {step:,}", last)]
    advice = [
        Advice("", "`steadygan sample RUN --best`, where the run was evaluated"),
        *(scaled(evidence, player, 0.3, "smaller rates") for player in ("d", "g")),
    ]
    return finding(
        "cause",
        says,
        0.8,
        numbers,
        advice,
        ("bad-samples", "total-collapse", "partial-collapse"),
        step=step,
    )
