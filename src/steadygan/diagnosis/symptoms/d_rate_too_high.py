"""The discriminator's steps are far larger than its method's: its rate is too high."""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Finding
from steadygan.diagnosis.rules import ON_GAME, back_to_sheet, finding


def look(evidence: Evidence) -> Finding | None:
    factor, move = evidence.rate_factor("d"), evidence.late("d_move")
    if factor < 8 or evidence.rate_factor("g") >= 8 or evidence.is_good:
        return None
    says = f"the discriminator's learning rate is {factor:.3g} times its method's"
    numbers = [] if move is None else [evidence.number("d_move", ".0005 to .03 a step")]
    advice = [back_to_sheet(evidence, "d_optimizer.lr")]
    return finding("cause", says, 0.85, numbers, advice, (*ON_GAME, "steps-too-large"))
