"""Frechet distance between two sets of features. Heusel et al. 2017, arXiv:1706.08500, eq. 6.

    |m1 - m2|^2 + Tr(S1 + S2 - 2 (S1 S2)^(1/2))

The trace of the root is taken in its symmetric form, Tr (S1^(1/2) S2 S1^(1/2))^(1/2): two
eigendecompositions of symmetric matrices, real under any rounding, and defined for a singular
covariance without a number added to its diagonal.

On the pool3 features of the Inception network this is FID; on any other features it carries their
name. It is biased upwards by about c / N (Chong & Forsyth 2020, arXiv:1911.07023), so two values
are comparable only at the same N.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from steadygan.errors import UserError

CHUNK = 4096


@dataclass(frozen=True)
class Moments:
    """Mean (d,) and covariance (d, d), divided by N - 1, of `count` features; float64."""

    mean: Tensor
    covariance: Tensor
    count: int


def moments(features: Tensor) -> Moments:
    """The moments of features (N, d), summed in float64. Needs two features or more."""
    if len(features) < 2:
        raise UserError(f"a covariance wants 2 features or more, not {len(features)}")
    total = sum(chunk.double().sum(0) for chunk in features.split(CHUNK))
    mean = total / len(features)
    scatter = torch.zeros(features.shape[1], features.shape[1], dtype=torch.float64)
    for chunk in features.split(CHUNK):
        centred = chunk.double() - mean
        scatter += centred.T @ centred
    return Moments(mean, scatter / (len(features) - 1), len(features))


def root(matrix: Tensor) -> Tensor:
    """The symmetric root of a symmetric, positive semi-definite matrix."""
    values, vectors = torch.linalg.eigh(matrix)
    return (vectors * values.clamp_min(0).sqrt()) @ vectors.T


def frechet_distance(a: Moments, b: Moments) -> float:
    """The distance between two Gaussians with these moments; never below 0."""
    half = root(a.covariance)
    inner = half @ b.covariance @ half
    cross = torch.linalg.eigvalsh((inner + inner.T) / 2).clamp_min(0).sqrt().sum()
    shift = (a.mean - b.mean).square().sum()
    spread = a.covariance.trace() + b.covariance.trace() - 2 * cross
    return max(0.0, float(shift + spread))


def too_few(count: int, dimension: int) -> str:
    """Why `count` features of this dimension give no Frechet distance; empty where they do."""
    if count > dimension:
        return ""
    return (
        f"{count:,} samples do not fill {dimension:,} feature dimensions: their covariance is "
        f"singular and the distance mostly bias; give more than {dimension:,}, or read KID"
    )
