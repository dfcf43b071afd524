"""Other codes or classes change nothing of G's samples.

How it shows: all rows of the table of classes or codes look alike, and the class accuracy of fakes
or the bound on the mutual information stays at chance. Other codes move a sample at most .15 times
as far as other noise does (`code_effect`).

Why: the term that reads the codes weighs too little, is left out, or the labels do not reach G or
D. Under a Wasserstein objective the scores can outgrow a class head's loss, so that it is ignored.

What helps: a larger weight of that term, and a check that D is given the labels of its batch. Good
samples do not excuse it: a conditional model is then none.

Source: Chen et al. 2016, arXiv:1606.03657 (the term that keeps codes from being ignored);
martinarjovsky/WassersteinGAN#16 (class head ignored under the Wasserstein loss),
NVlabs/stylegan3#652 (the same image for every class), burness/tensorflow-101#13 (InfoGAN whose
samples are all ones).
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Advice, Finding
from steadygan.diagnosis.rules import all_one, back_to_sheet, finding


def look(evidence: Evidence) -> Finding | None:
    effect = evidence.late("code_effect")
    if effect is None or effect > 0.15 or len(evidence.series("code_effect")) < 3:
        return None
    if all_one(evidence):
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
