"""D knows the training samples by heart: it scores them above held-out ones. Samples are bad or
falling.

Karras et al. 2020, section 3. By itself this is no fault: BigGAN's D does so beside good samples
(Brock et al. 2019, section 4.2).
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Advice, Finding, Kind
from steadygan.diagnosis.rules import ON_GAME, finding


def look(evidence: Evidence) -> Finding | None:
    memory = evidence.late("auc_memory")
    if memory is None or memory < 0.75 or len(evidence.series("auc_memory")) < 3:
        return None
    says = "the discriminator scores training samples above held-out ones: it knows them by heart"
    numbers = [evidence.number("auc_memory", ".4 to .6"), evidence.number("auc_heldout", "")]
    advice = [Advice("--add diffaugment", "augmentation of what D sees"),
              Advice("--add lecam", "holds D's scores near their means")]  # fmt: skip
    kind: Kind = "note" if evidence.is_good else "cause"
    return finding(kind, says, 0.8, numbers, advice, ON_GAME)
