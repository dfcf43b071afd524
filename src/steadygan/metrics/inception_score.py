"""Inception Score. Salimans et al. 2016, "Improved Techniques for Training GANs", arXiv:1606.03498.

    exp( E_x KL( p(y|x) || p(y) ) )                                              section 4

From 1 (every image gets the same prediction) to the number of classes. It is named after the
network whose p(y|x) it uses: that of a classifier of the data and that of Inception are not
comparable.
"""

from __future__ import annotations

import torch
from torch import Tensor

SPLITS = 10


def inception_score(probabilities: Tensor, splits: int = SPLITS) -> tuple[float, float]:
    """Mean and standard deviation over `splits` equal parts of p(y|x), (N, K), in order: images
    that are sorted by class must be shuffled first.

    A probability of exactly 0 counts as 0 log 0 = 0, so certain predictions give no NaN. Fewer
    images than splits make as many parts as there are images.
    """
    parts = probabilities.double().tensor_split(min(splits, len(probabilities)))
    scores = torch.stack([_score(part) for part in parts])
    return float(scores.mean()), float(scores.std(correction=0))


def _score(conditional: Tensor) -> Tensor:
    """exp of the mean KL to the marginal: H(marginal) - mean H(conditional), in nats."""
    marginal = torch.special.entr(conditional.mean(0)).sum()
    return (marginal - torch.special.entr(conditional).sum(1).mean()).exp()
