"""D cannot tell bad samples from real ones.

How it shows: D's loss stays at that of an undecided D (log 4 or log 2 for cross entropy, .5 or 1
for least squares, 2 for the hinge) while samples are plainly bad. `auc` is .65 or below and the
distance above .2.

Why: D learns too slowly for G, is too small, or does not see what is wrong: noise, augmentation or
a penalty hides it. Nothing then tells G where to go.

What helps: a larger rate of D, four times G's for example, more steps of D, or a wider one. An
accuracy of 1 on one part and 0 on the other is no sign of it: it may be the threshold alone, which
`auc` does without.

Source: Heusel et al. 2017, arXiv:1706.08500 (two rates); heykeetae/Self-Attention-GAN#4 (.0001 for
G, .0004 for D), soumith/ganhacks#44 (accuracies of 1 and 0 by the threshold).
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Advice, Finding
from steadygan.diagnosis.rules import ON_SAMPLES, finding, scaled
from steadygan.stability.signals import number


def look(evidence: Evidence) -> Finding | None:
    auc = evidence.late("auc")
    if auc is None or auc > 0.65 or not evidence.is_bad:
        return None
    says = "the discriminator cannot tell samples from real ones although they are bad"
    steps = int(number(evidence.recipe.get("d_steps")) or 1)
    numbers = [evidence.number("auc", ".65 to .98"), evidence.number("way", "0 to .2")]
    advice = [
        scaled(evidence, "d", 4, "four times D's rate"),
        Advice(f"d_steps={2 * steps}", "twice the steps of D"),
    ]
    return finding("effect", says, 0.65, numbers, advice, ON_SAMPLES)
