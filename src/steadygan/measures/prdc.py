"""Precision, recall, density and coverage from nearest neighbours.

Kynkaanniemi et al. 2019, arXiv:1904.06991 (precision, recall, k = 3); Naeem et al. 2020,
arXiv:2002.09797 (density, coverage, k = 5). The ball of a sample reaches to its k-th nearest
neighbour in its own set, itself aside; inside means nearer, not as near.

    precision   share of fakes inside the ball of any real
    recall      share of reals inside the ball of any fake
    density     1 / (k N) sum over fakes of the balls of reals they are inside
    coverage    share of reals whose ball holds a fake

All four move with the numbers of both sides, so those belong to the result.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from steadygan.errors import UserError
from steadygan.measures.distances import blocks, centred, within

PRECISION_K, COVERAGE_K = 3, 5


def reach(features: Tensor, *ks: int) -> list[Tensor]:
    """The squared distance of each feature (N, d) to its k-th nearest other, for each k."""
    if len(features) <= max(ks):
        raise UserError(f"{max(ks)} nearest neighbours want {max(ks) + 1} features or more")
    found = [
        block.topk(max(ks), largest=False, sorted=True).values for _, block in within(features)
    ]
    nearest = torch.cat(found)
    return [nearest[:, k - 1] for k in ks]


def real_balls(real: Tensor, k: int = PRECISION_K, coverage_k: int = COVERAGE_K) -> list[Tensor]:
    """What `prdc` needs of the real side alone: its two sets of squared radii (M,)."""
    return reach(*centred(real), k, coverage_k)


def prdc(
    real: Tensor,
    fake: Tensor,
    k: int = PRECISION_K,
    coverage_k: int = COVERAGE_K,
    balls: Sequence[Tensor] | None = None,
) -> dict[str, float]:
    """`precision`, `recall`, `density`, `coverage` of features (M, d) and (N, d); `balls` are the
    `real_balls` of `real` where they are known."""
    real_ball, real_wide = balls or real_balls(real, k, coverage_k)
    real, fake = centred(real, fake)
    (fake_ball,) = reach(fake, k)
    inside_real, held = 0, 0
    recalled = torch.zeros(len(real), dtype=torch.bool)
    nearest_fake = torch.full((len(real),), torch.inf, dtype=torch.float64)
    for rows, found in blocks(fake, real):
        inside_real += int((found < real_ball).any(1).sum())
        held += int((found < real_wide).sum())
        recalled |= (found < fake_ball[rows, None]).any(0)
        nearest_fake = torch.minimum(nearest_fake, found.amin(0))
    return {
        "precision": inside_real / len(fake),
        "recall": float(recalled.double().mean()),
        "density": held / (coverage_k * len(fake)),
        "coverage": float((nearest_fake < real_wide).double().mean()),
    }
