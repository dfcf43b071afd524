"""A network is far narrower than its method's."""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Finding
from steadygan.diagnosis.rules import ON_GAME, back_to_sheet, finding


def look(evidence: Evidence) -> Finding | None:
    if evidence.is_good:
        return None
    for key in ("networks.width", "networks.d_width", "networks.g_width", "networks.hidden"):
        before, now = evidence.changes.get(key, (None, None))
        if isinstance(before, int) and isinstance(now, int) and now * 4 <= before:
            says = (
                f"{key} is {now}, {before} in the method: the networks are too narrow for the data"
            )
            return finding("cause", says, 0.75, (), [back_to_sheet(evidence, key)], ON_GAME)
    return None
