"""Spectral normalisation as a part: it goes onto the networks of any method."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import torch
from torch import Tensor, nn

from steadygan.game.part import Part
from steadygan.networks.spectral import normalised_layers, spectral_norm

if TYPE_CHECKING:
    from steadygan.game.player import Player
    from steadygan.game.recipe import Recipe


class SpectralNormalisation(Part):
    """W / sigma(W) in every layer of D, of G, or of both. Miyato et al. 2018, arXiv:1802.05957.

    Each linear layer and convolution (as a matrix of its output channels), attention and embeddings
    included, is divided by its largest singular value, estimated by one power iteration at each
    step of the player that owns it. That bounds a convolution's slope by sqrt(kh kw), not by 1.
    """

    name = "spectral-norm"
    sides: ClassVar = ("shared",)
    modify_order: ClassVar = 1
    fixed: ClassVar = ("players",)
    players: Literal["d", "g", "both"] = "d"

    def modify_networks(self, networks: dict[str, nn.Module]) -> None:
        for name, network in networks.items():
            if self.wants(name):
                spectral_norm(network)

    def wants(self, name: str) -> bool:
        """True for every discriminator ("discriminator", "discriminator_2") and for the generator,
        as `players` asks; readers of codes and encoders are never touched."""
        of = {"discriminator": "d", "generator": "g"}.get(name.partition("_")[0])
        return of is not None and self.players in (of, "both")

    def advice(self, recipe: Recipe) -> str | None:
        if self.players != "g" and getattr(recipe.networks, "d_norm", "none") == "batch":
            return (
                "spectral-norm bounds each layer of D, and batch norm in D scales it freely again: "
                "d_norm=none leaves that out"
            )
        if self.players != "g" and any(part.sets_slope for part in recipe.on_d):
            return (
                "spectral-norm and a gradient penalty both set D's slope, and pull against each "
                "other: drop one"
            )
        return None

    @torch.no_grad()
    def signals(self, player: Player) -> dict[str, Tensor]:
        """`d_spectral_norm`, `g_spectral_norm`: the largest estimate of sigma(W) over the raw
        weights. It tells how far they have grown: the step relative to them shrinks by it."""
        sigmas = [
            normaliser.sigma(weight)
            for module in player.modules.values()
            for _, normaliser, weight in normalised_layers(module)
        ]
        return {f"{player.name}_spectral_norm": torch.stack(sigmas).max()} if sigmas else {}
