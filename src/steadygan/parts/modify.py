"""Tricks that build something into D before its player is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from steadygan.game.part import Part
from steadygan.game.processes import ALONE

if TYPE_CHECKING:
    from steadygan.game.recipe import Recipe


def no_head(recipe: Recipe, who: str) -> str | None:
    """Why a part that goes before D's head cannot stand in `recipe`, or None."""
    if recipe.networks.d_has_head:
        return None
    return (
        f"{who} goes before D's head, and D of '{recipe.networks.name}' networks, an auto-encoder, "
        "has none"
    )


def head_of(networks: dict[str, nn.Module], who: str) -> nn.Module:
    """D's head; a `ValueError` that names `who` wants it where D has no features and head."""
    discriminator = networks["discriminator"]
    head = getattr(discriminator, "head", None)
    if not isinstance(head, nn.Module) or not hasattr(discriminator, "features"):
        raise ValueError(
            f"{who} goes before D's head: give the discriminator `features(x)` and a module `head`"
        )
    return head


class Dropout(Part):
    """Dropout of D's features before its head: in training, not when D is only asked.

    Srivastava et al. 2014, doi:10.5555/2627435.2670313, in D as in Chollet, "Deep Learning with
    Python", section 8.5: .4 before the last dense layer (.2 in its second edition). It is active in
    the steps of both players, since D is in training mode in both.
    """

    name = "dropout"
    sides: ClassVar = ("shared",)
    rate: float = Field(0.4, ge=0, lt=1)

    def incompatibility(self, recipe: Recipe) -> str | None:
        return no_head(recipe, self.name)

    def modify_networks(self, networks: dict[str, nn.Module]) -> None:
        head = head_of(networks, self.name)
        networks["discriminator"].head = nn.Sequential(nn.Dropout(self.rate), head)


def minibatch_similarity(projected: Tensor) -> Tensor:
    """o_b = sum over j != i of exp(-||M_i,b - M_j,b||_1), (B, kernels), for M (B, kernels, dims).

    Salimans et al. 2016, section 3.2. How near each sample's batch mates are, kernel by kernel:
    between 0 and B - 1, which it is for every kernel where all samples are one.
    """
    rows = projected.transpose(0, 1)  # (kernels, B, dims)
    # Not by torch.cdist, which cannot be differentiated twice, as gradient penalties must.
    apart = (rows[:, :, None] - rows[:, None]).abs().sum(3)
    return torch.exp(-apart).sum(2).transpose(0, 1) - 1.0  # 1 is what each is to itself


class MinibatchHead(nn.Module):
    """`head` with `kernels` further inputs, o(f), beside the features f: C = head(f) + v . o(f).

    For a linear head this is a linear map of the features with o appended. The head itself, and
    whatever else reads D's features, stays as it is.
    """

    processes = ALONE

    def __init__(self, head: nn.Module, features: int, kernels: int, dims: int) -> None:
        super().__init__()
        self.head = head
        self.project = nn.Linear(features, kernels * dims, bias=False)
        self.read = nn.Linear(kernels, 1, bias=False)
        self.kernels = kernels
        with torch.no_grad():
            self.project.weight.div_(self.project.weight.norm(dim=1, keepdim=True))

    def forward(self, features: Tensor) -> Tensor:
        projected = self.project(features.flatten(1)).unflatten(1, (self.kernels, -1))
        full = torch.promote_types(projected.dtype, torch.float32)
        near = minibatch_similarity(self.processes.whole(projected.to(full)))
        own = self.processes.share_of(near)
        return self.head(features).flatten() + self.read(own).flatten()


def features_into(head: nn.Module) -> int:
    """How many features a head reads: that of its first linear layer, behind dropout at most."""
    first = head
    while isinstance(first, nn.Sequential):
        first = next(layer for layer in first if not isinstance(layer, (nn.Dropout, nn.Flatten)))
    if not isinstance(first, nn.Linear):
        raise ValueError(
            "minibatch-discrimination wants a linear head in the discriminator, not "
            f"{type(first).__name__}"
        )
    return first.in_features


class MinibatchDiscrimination(Part):
    """D sees how near the samples of a batch are to each other: M = f T, o = sum exp(-|M_i - M_j|).

    Salimans et al. 2016, arXiv:1606.03498, section 3.2; `kernels` x `dims` are those of the
    authors' code. There the columns of T are normalised all along; here they begin at length 1,
    and their bias is left to the head. D judges real and fake in separate batches, else o would say
    nothing of either.
    """

    name = "minibatch-discrimination"
    sides: ClassVar = ("shared",)
    fixed: ClassVar = ("kernels", "dims")
    kernels: int = Field(100, ge=1, le=10000)
    dims: int = Field(5, ge=1, le=1000)

    @property
    def reads_batch(self) -> bool:
        return True

    def incompatibility(self, recipe: Recipe) -> str | None:
        if not recipe.joint_batches:
            return no_head(recipe, self.name)
        return (
            "minibatch-discrimination wants real and fake in separate batches: joint_batches=false"
        )

    def modify_networks(self, networks: dict[str, nn.Module]) -> None:
        head = head_of(networks, self.name)
        whole = MinibatchHead(head, features_into(head), self.kernels, self.dims)
        networks["discriminator"].head = whole
