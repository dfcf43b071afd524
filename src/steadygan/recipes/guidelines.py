"""What DCGAN's and Keras' guidelines say of a recipe's networks, as notes in words at the start.

Radford et al. 2016, arXiv:1511.06434, section 3; Chollet, "Deep Learning with Python", section 8.5.
The checks look at built modules, so they hold for networks of one's own too. They are advice:
several papers (DCGAN's own 5x5 kernels at stride 2 among them) do otherwise and train well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.pooling import _AdaptiveMaxPoolNd, _MaxPoolNd
from torch.utils._python_dispatch import TorchDispatchMode

from steadygan.game.recipe import Recipe
from steadygan.losses.penalties import Penalty
from steadygan.networks.base import Built, without_memory
from steadygan.spec import checked

MAX_POOLS = (_MaxPoolNd, _AdaptiveMaxPoolNd, nn.FractionalMaxPool2d)
#: Operations that only lay values out anew; what came before them gives the range.
LAYOUT = {
    "view", "_unsafe_view", "reshape", "_reshape_alias", "unflatten", "permute", "transpose",
    "unsqueeze", "squeeze", "expand", "slice", "select", "clone", "contiguous", "detach", "alias",
    "cat", "_to_copy", "t", "pixel_shuffle",
}  # fmt: skip


def notes(recipe: Recipe, shape: tuple[int, ...], classes: int = 0) -> Iterator[str]:
    """What to know before `recipe` is trained on data of `shape`: its own advice, then where its
    networks leave the guidelines. Nothing is drawn from torch's generator."""
    yield from recipe.advice()
    with torch.random.fork_rng(devices=[]):
        built, last = checked("networks", _built, recipe, shape, classes)
    if len(shape) == 3:
        yield from uneven_strides(recipe, built)
        yield from max_pools(built)
        yield from output_range(last)
        yield from sparse_gradients(built)
    yield from batch_norm_under_penalty(recipe, built)
    yield from batch_norm_of_both(recipe, built)


def notes_on_all(
    recipes: Mapping[str, Recipe], shape: tuple[int, ...], classes: int = 0
) -> Iterator[str]:
    """The `notes` on each recipe, each note once, behind the names of those that it is about."""
    about: dict[str, list[str]] = {}
    for name, recipe in recipes.items():
        for note in notes(recipe, shape, classes):
            about.setdefault(note, []).append(name)
    for note, names in about.items():
        yield f"{', '.join(names)}: {note}"


def uneven_strides(recipe: Recipe, built: Built) -> Iterator[str]:
    """Kernels that their stride does not divide reach some pixels more often than others."""
    odd: dict[tuple[int, int], set[str]] = {}
    for name, network in built.items():
        for layer in network.modules():
            if isinstance(layer, _ConvNd):
                for kernel, stride in zip(layer.kernel_size, layer.stride, strict=True):
                    if kernel % stride:
                        odd.setdefault((kernel, stride), set()).add(name)
    for (kernel, stride), names in sorted(odd.items()):
        takes = "kernel" in type(recipe.networks).model_fields and 4 % stride == 0
        remedy = "; kernel=4 is even" if takes else ""
        yield (
            f"kernels of {kernel} at stride {stride} reach pixels unevenly (checkerboard patterns) "
            f"in {' and '.join(sorted(names))}{remedy}"
        )


def max_pools(built: Built) -> Iterator[str]:
    """Max pooling gives most pixels no gradient."""
    for name, network in built.items():
        if any(isinstance(layer, MAX_POOLS) for layer in network.modules()):
            yield f"max pooling in {name} leaves most pixels without a gradient: use strides"


def output_range(last: str | None) -> Iterator[str]:
    """G's images must be able to take the data's range [-1, 1], and no other; `last` is the
    operation at its end."""
    if last == "sigmoid":
        yield "the generator ends in sigmoid, [0, 1], and images are in [-1, 1]: end it in tanh"
    elif last != "tanh":
        yield "the generator does not end in tanh, and images are in [-1, 1]"


def sparse_gradients(built: Built) -> Iterator[str]:
    """ReLU in D leaves samples without a gradient wherever it is 0."""
    if any(isinstance(layer, nn.ReLU) for layer in built["discriminator"].modules()):
        yield "ReLU in the discriminator gives G sparse gradients: LeakyReLU(.2) is advised"


def batch_norm_under_penalty(recipe: Recipe, built: Built) -> Iterator[str]:
    """As `Penalty.advice`, where no setting of the networks says whether D has batch norm."""
    if hasattr(recipe.networks, "d_norm"):
        return
    if has_batch_norm(built["discriminator"]):
        for part in recipe.parts():
            if isinstance(part, Penalty):
                yield (
                    f"{part.name} penalises each sample's own gradient, and batch norm in the "
                    "discriminator mixes samples"
                )


def batch_norm_of_both(recipe: Recipe, built: Built) -> Iterator[str]:
    """Batch norm over real and generated samples says of each sample which kind it is."""
    if recipe.joint_batches and has_batch_norm(built["discriminator"]):
        yield (
            "joint_batches lets batch norm in the discriminator tell real from generated samples "
            "by the batch that they share: joint_batches=false, or no batch norm in D"
        )


def has_batch_norm(network: nn.Module) -> bool:
    return any(isinstance(layer, _BatchNorm) for layer in network.modules())


# ---- looking at networks -------------------------------------------------------------------


def _built(recipe: Recipe, shape: tuple[int, ...], classes: int) -> tuple[Built, str | None]:
    """The networks, and the last operation of G: without memory or arithmetic on torch's "meta"
    device, or on the CPU where they cannot be built there."""
    try:
        with without_memory():
            built = recipe.build(shape, classes)
            return built, _last_operation(recipe, built["generator"], classes)
    except Exception:  # whatever a network of one's own says to numbers that are not there
        built = recipe.build(shape, classes)
        return built, _last_operation(recipe, built["generator"], classes)


class _Operations(TorchDispatchMode):
    """Notes the name of every operation that makes new values."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        name = func.overloadpacket.__name__.rstrip("_")
        if name not in LAYOUT:
            self.names.append(name)
        return func(*args, **(kwargs or {}))


@torch.no_grad()
def _last_operation(recipe: Recipe, generator: nn.Module, classes: int) -> str | None:
    """What a forward of G ends in: "tanh", "sigmoid", ...; layouts aside."""
    latent: Tensor = torch.zeros(2, recipe.sampling_prior(max(classes, 1)).total_dim)
    parameters = list(generator.parameters())
    latent = latent.to(parameters[0].device) if parameters else latent
    generator.eval()
    with _Operations() as seen:
        generator(latent)
    return seen.names[-1] if seen.names else None
