"""Samples had been good, and are no longer.

NVlabs/stylegan2-ada-pytorch#159 (7.8 to 300-500), BigGAN-PyTorch#40. The best checkpoint is kept
where the run is evaluated.
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
    if best > 0.25 or last < best + 0.12 or last < 2 * best:
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
