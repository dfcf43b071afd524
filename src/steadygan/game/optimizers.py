"""Optimizers as specs: what to build, and what their settings are after so many images.

Schedules are functions of images seen over the recipe's `horizon_images`, so a run that is
stopped and resumed, or given another budget, follows the same curve.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, ClassVar

import torch
from pydantic import Field
from torch.optim import Optimizer as TorchOptimizer

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
