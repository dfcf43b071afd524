"""Other codes or classes change nothing of G's samples."""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Advice, Finding
from steadygan.diagnosis.rules import back_to_sheet, finding


def look(evidence: Evidence) -> Finding | None:
    effect = evidence.late("code_effect")
    if effect is None or effect > 0.15 or len(evidence.series("code_effect")) < 3:
        return None
    says = "the generator's samples do not change with its codes (or classes): it ignores them"
    numbers = [evidence.number("code_effect", "above .4")]
    keys = (
        "mutual-information.weight",
        "auxiliary-classifier.g_weight",
        "auxiliary-classifier.weight",
    )
    advice = [
        back_to_sheet(evidence, *keys),
        Advice("", "a larger weight of the term that reads them"),
    ]
    return finding("cause", says, 0.85, numbers, advice)
