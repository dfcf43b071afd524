"""NaN or Inf: the run was stopped by its guard, before a weight was touched.

Seen in public issues as black images and a loss of nan; the usual help is float32 for a penalty, a
smaller rate, and the default initialisation (lucidrains/magvit2-pytorch#31, rosinality/
stylegan2-pytorch#210).
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
