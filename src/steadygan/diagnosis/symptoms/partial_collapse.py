"""G's samples repeat a few kinds: many near-duplicates, few directions of variation.

How it shows: a grid shows the same picture several times with small changes, beside others. A
quarter of the samples or more have a near-duplicate among them (`duplicates`), their effective rank
is at most .45 of held-out samples' (`rank`), and the samples are not good.

Why: D judges each sample alone, so G can answer it with a few samples that are scored high, and
move on together when D has learned these.

What helps: let D see a whole batch (minibatch discrimination), or pair real and generated samples
(a relativistic objective with R1). While samples still get better, train on: an undertrained G
looks the same.

Source: Salimans et al. 2016, arXiv:1606.03498, section 3.2; Arora & Zhang 2017 (birthday test);
Huang et al. 2024, arXiv:2501.05441 (relativistic pairs with penalties);
andrewgordonwilson/bayesgan#8 (collapse found by the birthday test).
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Advice, Finding
from steadygan.diagnosis.rules import finding, longer


def look(evidence: Evidence) -> Finding | None:
    repeated, rank = evidence.late("duplicates"), evidence.late("rank")
    if repeated is None or rank is None or evidence.is_good or len(evidence.series("rank")) < 3:
        return None
    if repeated < 0.25 or rank > 0.45:
        return None
    says = "the generator repeats a few kinds of samples"
    numbers = [evidence.number("duplicates", "below .05"), evidence.number("rank", ".6 to 1.1")]
    advice = [Advice("--add minibatch-discrimination", "D sees how alike a batch is"),
              Advice("objective=rpgan --add r1:weight=1", "relativistic pairs do not drop modes"),
              longer(evidence)]  # fmt: skip
    return finding("effect", says, 0.6, numbers, advice, ("bad-samples",))
