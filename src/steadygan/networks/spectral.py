"""Spectral normalisation: a layer's weight divided by its largest singular value.

Miyato et al. 2018, arXiv:1802.05957, Algorithm 1. Their code runs one power iteration at every
training forward; here it runs once, at the start of each step of the player that owns the layer
(`start_step`), so that real, fake and penalty forwards of one update see the same weight.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.nn.utils import parametrize

EPS = 1e-12
#: Power iterations at the start, so that the first steps have a sensible estimate.
AT_START = 15


class SpectralNorm(nn.Module):
    """W -> W / sigma, sigma = u^T W v, with W as (out, everything else).

    `u` (out,) and `v` are buffers, constants for the gradient: sigma is differentiated through W
    alone. `dim` is the axis of `out`: 1 for transposed convolutions, else 0.
    """

    def __init__(self, weight: Tensor, dim: int = 0) -> None:
        super().__init__()
        self.dim = dim
        rows, columns = self.matrix(weight).shape
        self.register_buffer("u", normalize(torch.randn(rows), dim=0, eps=EPS))
        self.register_buffer("v", normalize(torch.randn(columns), dim=0, eps=EPS))
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

    def forward(self, weight: Tensor) -> Tensor:
        with torch.autocast(weight.device.type, enabled=False):
            # Copies: the next step moves the buffers in place, and a graph may outlive this one.
            sigma = torch.dot(self.u.clone(), torch.mv(self.matrix(weight), self.v.clone()))
            return weight / sigma


def spectral_norm(network: nn.Module) -> nn.Module:
    """Normalise every linear layer and convolution of `network` in place; embeddings too."""
    for layer in list(network.modules()):
        if isinstance(layer, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d, nn.Embedding)):
            if parametrize.is_parametrized(layer, "weight"):
                continue
            dim = 1 if isinstance(layer, nn.ConvTranspose2d) else 0
            parametrize.register_parametrization(layer, "weight", SpectralNorm(layer.weight, dim))
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


def start_step(network: nn.Module) -> None:
    """One power iteration for each normalised layer of `network`, which is about to move."""
    for _, normaliser, weight in normalised_layers(network):
        normaliser.iterate(weight)
