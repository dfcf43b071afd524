"""The discriminator takes many more steps an iteration than in its method."""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Finding
from steadygan.diagnosis.rules import ON_GAME, back_to_sheet, finding


def look(evidence: Evidence) -> Finding | None:
    before, now = evidence.changes.get("d_steps", (None, None))
    if (
        not isinstance(before, int)
        or not isinstance(now, int)
        or now < 4 * before
        or evidence.is_good
    ):
        return None
    says = f"the discriminator takes {now} steps an iteration, {before} in its method"
    return finding("cause", says, 0.8, (), [back_to_sheet(evidence, "d_steps")], ON_GAME)
