"""Batch normalisation over the samples of all processes of a run.

torch's own SyncBatchNorm runs on GPUs alone and cannot be differentiated twice; this one does both.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


class SynchronisedBatchNorm(_BatchNorm):
    """Batch norm, of (B, C) or (B, C, ...), with mean and variance of the whole batch in training
    mode.

    `processes` says who holds the other samples (`game.processes.Processes`); shares are of one
    size. Running statistics are those that one process would have.
    """

    processes: Any

    def _check_input_dim(self, input: Tensor) -> None:
        pass  # any number of dimensions after the channels

    def forward(self, input: Tensor) -> Tensor:
        if not self.training or self.processes.size == 1:
            return super().forward(input)
        full = input.to(torch.promote_types(input.dtype, torch.float32))
        axes = [0, *range(2, input.dim())]
        of_share = torch.stack([full.mean(axes), full.var(axes, correction=0)])
        means, variances = self.processes.whole(of_share[None]).unbind(1)  # (processes, C) each
        mean = means.mean(0)
        variance = variances.mean(0) + (means - mean).square().mean(0)
        if self.track_running_stats and self.running_mean is not None:
            self._follow(mean.detach(), variance.detach(), full.numel() // len(mean))
        scale = (variance + self.eps).rsqrt()
        shift = -mean * scale
        if self.affine:
            scale, shift = scale * self.weight, shift * self.weight + self.bias
        shape = (1, -1, *[1] * (input.dim() - 2))
        return torch.addcmul(shift.view(shape), full, scale.view(shape)).to(input.dtype)

    def _follow(self, mean: Tensor, variance: Tensor, here: int) -> None:
        """Move the running statistics, as torch's layers do; `here` is a channel's numbers in a
        share."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        step = 1 / self.num_batches_tracked if self.momentum is None else self.momentum
        count = here * self.processes.size
        self.running_mean.lerp_(mean.to(self.running_mean), float(step))
        self.running_var.lerp_((variance * count / (count - 1)).to(self.running_var), float(step))


def synchronise(network: nn.Module, processes: Any, batch_norm: bool = True) -> None:
    """Tell the layers of `network` that read whole batches who holds them: those with an attribute
    `processes`, and every batch norm, which becomes one over `processes`, where that is wanted.

    Layers and parameters stay the same objects (their class changes, as torch's own
    parametrizations do), so that players, optimizers and the names of a checkpoint hold.
    """
    for layer in network.modules():
        if isinstance(layer, _BatchNorm) and batch_norm:
            layer.__class__ = SynchronisedBatchNorm
        if hasattr(layer, "processes") or isinstance(layer, SynchronisedBatchNorm):
            layer.processes = processes
