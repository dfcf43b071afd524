"""Adam's first moment averages over more steps than a game stands: beta1 far above its method's.

How it shows: scores, losses and samples swing from probe to probe and do not settle. In the
settings beta1 of D or G is .9 or more, it remembers over three times as many steps as the method's
own, and the samples are not good.

Why: beta1 is the share of the old direction that Adam keeps, so at .9 a step follows about the last
ten gradients and at .99 the last hundred. In a game these point at an opponent that has moved on
since.

What helps: the method's own beta1, which is 0 to .5 for most. A method whose own value is .9 is
left alone, and so is a higher one beside good samples.

Source: Radford et al. 2016, arXiv:1511.06434, section 4: .9 "resulted in training oscillation and
instability", .5 helped.
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
