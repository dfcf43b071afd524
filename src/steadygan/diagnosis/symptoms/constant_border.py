"""Real samples have a constant border and G's have not, which is all D looks at.

How it shows: D's loss falls to 0 early although the samples look right. Pixels at the border hardly
differ from one real sample to the next (`border_real` at most .01 of the spread of the data) and do
in G's samples (`border_fake` .1 or more), with an `auc` of .99 or more and samples that are not
good.

Why: padding or a mask of real images alone is a constant that D can look for, so that it need not
look at the object. Values that miss the constant by little, as those of a tanh do, may be enough
for D and are not seen here.

What helps: crop the border, or pad generated samples alike. It is a note, no headline: digits on
black have such a border too, and G learns it.

Source: BadourAlBahar/pose-with-style#23: padding of real images alone; padding the fakes as well
fixed it.
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import LEAST, Evidence
from steadygan.diagnosis.finding import Advice, Finding
from steadygan.diagnosis.rules import finding


def look(evidence: Evidence) -> Finding | None:
    real, fake = evidence.late("border_real"), evidence.late("border_fake")
    auc = evidence.late("auc")
    if real is None or fake is None or auc is None or len(evidence.series("auc")) < LEAST:
        return None
    if real > 0.01 or fake < 0.1 or auc < 0.99 or evidence.is_good:
        return None
    says = "the border of real samples is constant and that of generated ones is not: D can tell"
    numbers = [evidence.number("border_real", "as border_fake"), evidence.number("border_fake", ""),
               evidence.number("auc", ".6 to .98")]  # fmt: skip
    advice = [Advice("", "crop the border, or pad generated samples alike")]
    return finding("note", says, 0.4, numbers, advice)
