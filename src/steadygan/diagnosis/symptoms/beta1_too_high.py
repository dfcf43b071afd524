"""Adam's first moment averages over more steps than a game stands: beta1 far above its method's.

Radford et al. 2016, section 4: .9 "resulted in training oscillation and instability", .5 helped.
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Finding
from steadygan.diagnosis.rules import ON_GAME, back_to_sheet, finding


def look(evidence: Evidence) -> Finding | None:
    if evidence.is_good:
        return None
    keys = ("d_optimizer.betas", "g_optimizer.betas")
    raised = [key for key in keys if key in evidence.changes and _raised(*evidence.changes[key])]
    if not raised:
        return None
    says = "Adam's beta1 is far above the method's: its steps follow gradients of a game long past"
    return finding("cause", says, 0.85, (), [back_to_sheet(evidence, *raised)],
                   (*ON_GAME, "steps-too-large"))  # fmt: skip


def _raised(before: object, now: object) -> bool:
    """Whether beta1 goes from a usual value to one that remembers several times as many steps."""
    if not isinstance(before, (list, tuple)) or not isinstance(now, (list, tuple)):
        return False
    return float(now[0]) >= 0.9 and (1 - float(before[0])) > 3 * (1 - float(now[0]))
