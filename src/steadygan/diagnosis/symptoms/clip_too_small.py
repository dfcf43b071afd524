"""Weights are clipped to a box so small that the critic is nearly flat.

Gulrajani et al. 2017, section 3 and figure 1: gradients vanish where the clip is small.
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Advice, Finding
from steadygan.diagnosis.rules import ON_GAME, back_to_sheet, finding


def look(evidence: Evidence) -> Finding | None:
    clip, slope = evidence.parts().get("weight-clip"), evidence.late("slope")
    if clip is None or slope is None or slope > 1e-3 or evidence.is_good:
        return None
    says = (
        "weights are clipped so small that the critic is nearly flat: the generator"
        " gets no direction"
    )
    numbers = [evidence.number("slope", "above .01"), evidence.number("score_std", "above .01")]
    penalty = "--drop weight-clip --add gradient-penalty"
    advice = [
        back_to_sheet(evidence, "weight-clip.bound"),
        Advice(penalty, "a penalty holds the slope at 1"),
    ]
    return finding("exact", says, 1.0, numbers, advice, (*ON_GAME, "g-not-updated"))
