"""Weights are clipped to a box so small that the critic is nearly flat.

How it shows: all scores are nearly the same number, the critic's loss stays at 0, and G's samples
do not change. `slope` is .001 or below, nearly all weights are at the clip (`clipped_share`), and
the samples are not good.

Why: each layer multiplies G's gradient by weights that are all small, so that little or nothing of
it arrives. G may then stand exactly still, which this explains.

What helps: the method's own bound, or a gradient penalty in place of the clip. The scale of batch
norm is clipped too; to leave it out of the clip has not helped others.

Source: Gulrajani et al. 2017, arXiv:1704.00028, section 3 and figure 1: gradients vanish where the
clip is small. martinarjovsky/WassersteinGAN#18 and #32 (batch norm under the clip).
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Advice, Finding
from steadygan.diagnosis.rules import ON_GAME, back_to_sheet, finding


def look(evidence: Evidence) -> Finding | None:
    clip, slope = evidence.parts().get("weight-clip"), evidence.late("slope")
    if clip is None or slope is None or slope > 1e-3 or evidence.is_good:
        return None
    if evidence.rate_factor("d") < 0.1 or evidence.late("d_move") == 0:
        return None  # a critic that does not move is as flat as at its start
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
