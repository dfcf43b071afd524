"""D knows the training samples by heart: it scores them above held-out ones.

How it shows: `d_accuracy_heldout` and the held-out scores fall away from those of training samples,
while samples stop getting better. D ranks a training sample above a held-out one in three of four
pairs or more (`auc_memory` of .75). Needs a held-out part of 32 samples or more.

Why: the data are few for D's size. What it tells G is then how to come near those images, or
nothing.

What helps: augmentation of what D sees, of real and generated samples alike, LeCam's
regularisation, or more data. By itself this is no fault and then a note: BigGAN's D does so beside
good samples.

Source: Karras et al. 2020, arXiv:2006.06676, section 3; Brock et al. 2019 (BigGAN),
arXiv:1809.11096, section 4.2 (over 98 % right on training images, 50 to 55 % on validation); Zhao
et al. 2020, arXiv:2006.10738; Tseng et al. 2021, arXiv:2104.03310. NVlabs/stylegan2-ada#27 and #98
(the sign of D's scores alone, r_t, misleads).
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Advice, Finding
from steadygan.diagnosis.rules import ON_GAME, finding


def look(evidence: Evidence) -> Finding | None:
    memory = evidence.late("auc_memory")
    if memory is None or memory < 0.75 or len(evidence.series("auc_memory")) < 3:
        return None
    says = "the discriminator scores training samples above held-out ones: it knows them by heart"
    numbers = [evidence.number("auc_memory", ".4 to .6"), evidence.number("auc_heldout", "")]
    advice = [Advice("--add diffaugment", "augmentation of what D sees"),
              Advice("--add lecam", "holds D's scores near their means")]  # fmt: skip
    return finding("cause", says, 0.8, numbers, advice, ON_GAME)
