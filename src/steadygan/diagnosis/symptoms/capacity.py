"""A network is far narrower than its method's.

How it shows: samples get better at first, then stay blurred or of one kind, and nothing else is
wrong with the losses. In the settings a width is a quarter of the method's or less, and the samples
are not good.

Why: a narrow G cannot draw what the data show, and a narrow D cannot tell the two apart. Only the
setting is tested: that a network of the method's own width is too small for some data cannot be
told from signals and looks like a plateau.

What helps: the method's own width. For a plateau at that width, a run at twice the width is the
test.

Source: ours (benchmarks/diagnosis).
"""

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
