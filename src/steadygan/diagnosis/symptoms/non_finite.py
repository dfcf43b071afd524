"""NaN or Inf: the run was stopped by its guard, before a weight was touched.

How it shows: in public issues black images and a loss of nan. Here the run has failed with a reason
that names the first tensor that is not finite, and its folder holds the state before that step,
which `steadygan replay` repeats.

Why: steps that are too large are the usual reason; then float16 in a penalty's second derivative, a
division by a spread of 0, or an initialisation of one's own.

What helps: float32 for a penalty or no mixed precision at all, a tenth of the rates, the default
initialisation. A larger batch where it is a few samples.

Source: lucidrains/magvit2-pytorch#31 and lucidrains/denoising-diffusion-pytorch#101 (mixed
precision off solved it), rosinality/stylegan2-pytorch#210 (other initialisation, batch 4).
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Finding
from steadygan.diagnosis.rules import ON_GAME, back_to_sheet, finding, scaled


def look(evidence: Evidence) -> Finding | None:
    status = evidence.facts.get("status") or {}
    reason = str(status.get("reason") or "")
    if status.get("state") != "failed" or "NaN or Inf" not in reason:
        return None
    rates = [back_to_sheet(evidence, "d_optimizer.lr", "g_optimizer.lr")]
    if rates == [None]:
        why = "steps that are too large are the usual reason"
        rates = [scaled(evidence, player, 0.1, why) for player in ("d", "g")]
    return finding("exact", f"numbers stopped being finite: {reason}", 1.0, advice=rates,
                   explains=ON_GAME, step=status.get("step"))  # fmt: skip
