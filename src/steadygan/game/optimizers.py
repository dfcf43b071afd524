"""Optimizers and the moving average of G as specs: what to build, and what it does after so many
images.

Schedules are functions of images seen over the recipe's `horizon_images`, so a run that is
stopped and resumed, or given another budget, follows the same curve.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Annotated, Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.optim import Optimizer as TorchOptimizer
from torch.optim.swa_utils import get_ema_multi_avg_fn

from steadygan.spec import Spec

Beta = Annotated[float, Field(ge=0, lt=1)]


class Optimizer(Spec):
    """Base of optimizers. `lr_end` < 1 lets the rate fall linearly to that share of `lr`."""

    #: State tensors a parameter, for the estimate of a checkpoint's size.
    moments: ClassVar[int]
    lr: float = Field(gt=0)
    lr_end: float = Field(1.0, ge=0, le=1)

    def build(self, parameters: Iterable[torch.nn.Parameter]) -> TorchOptimizer:
        """The torch optimizer over `parameters`; fused where torch has such a kernel."""
        raise NotImplementedError

    def settings(self, images: int, horizon: int, batch: int) -> dict[str, Any]:
        """The values of the param group after `images` of `horizon` images."""
        done = min(images / horizon, 1.0)
        return {"lr": self.lr * (1.0 + (self.lr_end - 1.0) * done)}


class Adam(Optimizer):
    """Adam. Kingma & Ba 2015, arXiv:1412.6980. With `betas_end` both betas move to it in a
    straight line over the horizon."""

    name = "adam"
    moments = 2
    lr: float = Field(2e-4, gt=0)
    betas: tuple[Beta, Beta] = (0.5, 0.999)
    betas_end: tuple[Beta, Beta] | None = None
    weight_decay: float = Field(0.0, ge=0)

    def build(self, parameters: Iterable[torch.nn.Parameter]) -> TorchOptimizer:
        return torch.optim.Adam(
            parameters, self.lr, betas=self.betas, weight_decay=self.weight_decay, fused=True
        )

    def settings(self, images: int, horizon: int, batch: int) -> dict[str, Any]:
        settings = super().settings(images, horizon, batch)
        if self.betas_end is not None:
            done = min(images / horizon, 1.0)
            pairs = zip(self.betas, self.betas_end, strict=True)
            settings["betas"] = tuple(start + (end - start) * done for start, end in pairs)
        return settings


class RMSProp(Optimizer):
    """RMSProp without momentum, as WGAN wants it. Hinton's lecture 6e; alpha as in torch."""

    name = "rmsprop"
    moments = 1
    lr: float = Field(5e-5, gt=0)
    alpha: float = Field(0.99, ge=0, lt=1)

    def build(self, parameters: Iterable[torch.nn.Parameter]) -> TorchOptimizer:
        return torch.optim.RMSprop(parameters, self.lr, alpha=self.alpha)


class SGD(Optimizer):
    """SGD with momentum that rises to `momentum_end` and a rate divided by `decay` each step.

    Goodfellow et al. 2014, the authors' settings: lr .1, decay 1.000004 down to 1e-6, momentum .5
    to .7 over 250 epochs.
    """

    name = "sgd"
    moments = 1
    lr: float = Field(0.1, gt=0)
    decay: float = Field(1.000004, ge=1)
    lr_floor: float = Field(1e-6, ge=0)
    momentum: float = Field(0.5, ge=0, lt=1)
    momentum_end: float = Field(0.7, ge=0, lt=1)

    def build(self, parameters: Iterable[torch.nn.Parameter]) -> TorchOptimizer:
        return torch.optim.SGD(parameters, self.lr, momentum=self.momentum, fused=True)

    def settings(self, images: int, horizon: int, batch: int) -> dict[str, Any]:
        done = min(images / horizon, 1.0)
        decayed = super().settings(images, horizon, batch)["lr"] * self.decay ** -(images / batch)
        momentum = self.momentum + (self.momentum_end - self.momentum) * done
        return {"lr": max(decayed, self.lr_floor), "momentum": momentum}


class EMA(Spec):
    """Exponential moving average of G's weights and float buffers, once an iteration, after G's
    steps.

    The half-life is `halflife_images`, counted in real images that D sees: batch x d_steps an
    iteration. So 20,000 is 312 iterations at batch 64 with one step of D each, and 62 with five. It
    is never more than `ramp` times the images seen, so that the first pictures are not those of the
    random start (Karras et al. 2020, arXiv:2006.06676, appendix: EMA warm-up).
    """

    halflife_images: float = Field(20_000.0, gt=0)
    ramp: float = Field(0.05, gt=0)

    def halflife_iterations(self, images_an_iteration: int) -> float:
        """The half-life in iterations of `images_an_iteration` (batch x d_steps), the ramp
        aside."""
        return self.halflife_images / images_an_iteration

    def start(self, generator: nn.Module) -> nn.Module:
        """A copy of `generator` in eval mode, without gradients, that `update` keeps."""
        g_ema = copy.deepcopy(generator).eval()
        return g_ema.requires_grad_(False)

    def decay(self, images: int, batch: int) -> float:
        """The weight that the old average keeps when `batch` more images, those of one iteration,
        lead to `images` that D has seen in all."""
        halflife = min(self.halflife_images, self.ramp * images)
        return 0.5 ** (batch / max(halflife, 1e-8))

    @torch.no_grad()
    def update(self, g_ema: nn.Module, generator: nn.Module, images: int, batch: int) -> None:
        """Move `g_ema` towards `generator`; counters and other integers are copied."""
        self.follow(followed(g_ema, generator), images, batch)

    @torch.no_grad()
    def follow(self, tensors: Followed, images: int, batch: int) -> None:
        """`update` of tensors that were looked up before."""
        olds, news, counters = tensors
        get_ema_multi_avg_fn(self.decay(images, batch))(olds, news, None)
        for old, new in counters:
            old.copy_(new)


#: The float tensors of an average and those that it follows, and pairs of the others.
Followed = tuple[list[Tensor], list[Tensor], list[tuple[Tensor, Tensor]]]


def followed(g_ema: nn.Module, generator: nn.Module) -> Followed:
    """The tensors of an average with those of the network that it follows, constants left out."""
    both = (module.state_dict(keep_vars=True).values() for module in (g_ema, generator))
    pairs = list(zip(*both, strict=True))
    floats = [pair for pair in pairs if pair[0].is_floating_point()]
    counters = [pair for pair in pairs if not pair[0].is_floating_point()]
    return [old for old, _ in floats], [new for _, new in floats], counters
