"""D judges real and generated samples in one batch, and tells them apart by the batch.

How it shows: D's loss falls towards 0 within a hundred steps while the samples stay bad and grow
alike, and `auc`, which is of separate batches, is far from 1: often near 0, or at .5. The settings
have `joint_batches=true` where the method has separate batches, and D has batch norm.

Why: batch norm subtracts the mean of both kinds from each sample. What is left says which half of
the batch a sample belongs to, whatever it looks like, so D needs to learn nothing about images. In
G's step D sees samples alone, with other statistics, and its scores mean nothing there.

What helps: a batch of real ones and a batch of generated ones (`joint_batches=false`), or a D
without batch norm (`d_norm=none`). DCGAN on garments, 1,000 iterations, six seeds: FID 26 with
separate batches, 139 with joint ones (`python -m benchmarks.claims run tricks`).

Source: soumith/ganhacks, point 4 (each batch all real or all generated); Ioffe & Szegedy 2015,
arXiv:1502.03167, section 3.1 (each sample's output depends on its batch).
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Finding
from steadygan.diagnosis.rules import ON_GAME, back_to_sheet, finding

KEY = "joint_batches"


def look(evidence: Evidence) -> Finding | None:
    joint = evidence.changes.get(KEY) == (False, True)
    has_norm = evidence.spec("networks").get("d_norm") == "batch"  # where a recipe can say it
    if not joint or not has_norm or evidence.is_good:
        return None
    says = "the discriminator can tell real from generated samples by the batch that they share"
    known = evidence.late("auc") is not None
    numbers = [evidence.number("auc", ".65 to .98")] if known else []
    return finding("cause", says, 0.85, numbers, [back_to_sheet(evidence, KEY)], ON_GAME)
