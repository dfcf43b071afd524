"""The discriminator hardly moves while the other network does: its rate is far too low."""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Finding
from steadygan.diagnosis.rules import ON_GAME, back_to_sheet, finding, scaled


def look(evidence: Evidence) -> Finding | None:
    own, other = evidence.last("d_travel"), evidence.last("g_travel")
    if own is None or other is None or own == 0 or evidence.steps < 50:
        return None
    factor, others = evidence.rate_factor("d"), evidence.rate_factor("g")
    slow = own <= LEAST and other >= 4 * own
    set_low = factor <= 0.03 and others > 0.1 and own < other  # in its settings, against its sheet
    if evidence.is_good or not (slow or set_low) or max(factor, others) < 0.1:
        return None
    says = (
        "the discriminator's weights hardly moved while the other network's did: "
        "its steps are far too small"
    )
    numbers = [evidence.number("d_travel", "above .1"), evidence.number("g_travel", "above .1")]
    advice = [back_to_sheet(evidence, "d_optimizer.lr"),
              scaled(evidence, "d", 10, "ten times its rate")]  # fmt: skip
    sure = 0.95 if factor < 0.1 else 0.75
    return finding("cause", says, sure, numbers, advice, ON_GAME)


#: Networks that learned something had travelled further than this, in shares of their start.
LEAST = 0.02
