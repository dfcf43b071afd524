"""Spectral normalisation: a layer's weight divided by its largest singular value.

Miyato et al. 2018, arXiv:1802.05957, Algorithm 1. Their code runs one power iteration at every
training forward; here it runs once, at the start of each step of the player that owns the layer
(`power_iteration`), so that real, fake and penalty forwards of one step see the same weight.
"""

from __future__ import annotations

from contextlib import nullcontext

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.nn.utils import parametrize

EPS = 1e-12
#: Power iterations at the start, so that the first steps have a sensible estimate.
AT_START = 15
#: For the new weights of a layer that starts at zero: it has no singular vectors, and 0 / 0 is NaN.
ZERO_STD = 0.02


class SpectralNorm(nn.Module):
    """W -> W / sigma, sigma = u^T W v, with W as (out, everything else).

    `u` (out,) and `v` are buffers, constants for the gradient: sigma is differentiated through W
    alone. `dim` is the axis of `out`: 1 for transposed convolutions, else 0.
    """

    u: Tensor
    v: Tensor

    def __init__(self, weight: Tensor, dim: int = 0) -> None:
        super().__init__()
        self.dim = dim
        rows, columns = self.matrix(weight).shape
        self.register_buffer("u", normalize(torch.randn(rows).to(weight), dim=0, eps=EPS))
        self.register_buffer("v", torch.zeros(columns).to(weight))
        for _ in range(AT_START):
            self.iterate(weight.detach())

    def matrix(self, weight: Tensor) -> Tensor:
        """`weight` as a matrix (out, in * height * width)."""
        return weight.movedim(self.dim, 0).flatten(1)

    @torch.no_grad()
    def iterate(self, weight: Tensor) -> None:
        """One power iteration: v <- W^T u / |W^T u|, u <- W v / |W v|."""
        matrix = self.matrix(weight)
        self.v.copy_(normalize(matrix.T @ self.u, dim=0, eps=EPS))
        self.u.copy_(normalize(matrix @ self.v, dim=0, eps=EPS))

    def sigma(self, weight: Tensor) -> Tensor:
        """u^T W v, the estimate of the largest singular value of `weight`, a scalar."""
        # Copies: the next step updates the buffers in place, and a graph may outlive this one.
        return self.u.clone() @ (self.matrix(weight) @ self.v.clone())

    def forward(self, weight: Tensor) -> Tensor:
        # With a graph even under no_grad: within a step this value is cached, and the forward that
        # computes it may be one without gradients.
        # "meta", where shapes alone are asked for, knows no autocast.
        plain = (
            nullcontext() if weight.is_meta else torch.autocast(weight.device.type, enabled=False)
        )
        with plain, torch.enable_grad():
            return weight / self.sigma(weight)


def spectral_norm(network: nn.Module) -> nn.Module:
    """Normalise every linear layer, convolution and embedding of `network`, in place.

    Weights that are parametrised already stay as they are. A weight of zeros is drawn anew. In your
    own loop, call `power_iteration(network)` before each step. Raises ValueError where the network
    has no such layer.
    """
    layers = [m for m in network.modules() if isinstance(m, (nn.Linear, _ConvNd, nn.Embedding))]
    if not layers:
        raise ValueError("spectral-norm finds no linear layer, convolution or embedding")
    for layer in layers:
        weight = layer._parameters.get("weight")  # parametrised or computed weights are elsewhere
        if weight is None:
            continue
        if not weight.is_meta and not weight.any():
            nn.init.normal_(weight, 0.0, ZERO_STD)
        dim = 1 if isinstance(layer, _ConvTransposeNd) else 0
        parametrize.register_parametrization(layer, "weight", SpectralNorm(weight, dim))
    return network


def normalised_layers(network: nn.Module) -> list[tuple[str, SpectralNorm, Tensor]]:
    """(name, its normalisation, its raw weight) of each normalised layer of `network`."""
    return [
        (name, normaliser, layer.parametrizations.weight.original)
        for name, layer in network.named_modules()
        if parametrize.is_parametrized(layer, "weight")
        for normaliser in layer.parametrizations.weight
        if isinstance(normaliser, SpectralNorm)
    ]


def power_iteration(network: nn.Module) -> None:
    """One power iteration for each normalised layer of `network`, before its step."""
    for _, normaliser, weight in normalised_layers(network):
        normaliser.iterate(weight)
