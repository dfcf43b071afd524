"""Neither network has moved much: rates are far too low, or there were hardly any steps.

How it shows: grids stay nearly as they were, and losses fall slowly and smoothly. Both networks are
within 4 % of their weights' norm from the start (`g_travel`, `d_travel`), or within 20 % where both
rates are below a tenth of the method's, and the samples are not good.

Why: a step of Adam is about the learning rate, whatever the gradient: so few or so small steps
cannot have taught much.

What helps: the method's own rates; where these are set, a longer run, or ten times the rates. A run
that was stopped early on purpose needs nothing else.

Source: ours (benchmarks/diagnosis).
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Finding
from steadygan.diagnosis.rules import ON_SAMPLES, back_to_sheet, finding, longer, scaled


def look(evidence: Evidence) -> Finding | None:
    g, d = evidence.last("g_travel"), evidence.last("d_travel")
    if g is None or d is None or max(g, d) == 0 or evidence.is_good:
        return None
    low = max(evidence.rate_factor("g"), evidence.rate_factor("d")) < 0.1
    if max(g, d) > (0.2 if low else 0.04):
        return None
    says = (
        "neither network has moved far from its start: learning rates are far too "
        "low, or steps too few"
    )
    numbers = [evidence.number("g_travel", "above .1"), evidence.number("d_travel", "above .1")]
    sheet = back_to_sheet(evidence, "d_optimizer.lr", "g_optimizer.lr")
    raised = [scaled(evidence, p, 10, "ten times the rate") for p in ("d", "g")]
    advice = [sheet] if sheet else [*raised, longer(evidence)]
    explains = (*ON_SAMPLES, "d-too-weak", "d-overpowers", "g-rate-too-low", "d-rate-too-low")
    return finding("cause", says, 0.95 if low else 0.7, numbers, advice, explains)
