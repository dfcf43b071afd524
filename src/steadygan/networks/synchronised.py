"""Batch normalisation over the samples of all processes of a run.

torch's own SyncBatchNorm runs on GPUs alone and cannot be differentiated twice; this one does both.
Sums of derivatives that are not differentiated again are by fused kernels, the rest by plain
operations.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
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
        mean, variance = _of_the_whole(input.detach(), self.processes)
        if self.track_running_stats and self.running_mean is not None:
            self._follow(mean, variance, input.numel() // len(mean))
        settings = (mean, variance, self.eps, self.processes)
        return _Normalised.apply(input, self.weight, self.bias, *settings)

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
        self.running_var.lerp_((variance * (count / (count - 1))).to(self.running_var), float(step))


class _Normalised(torch.autograd.Function):
    """Batch norm with the mean and variance of the whole batch; its value and its sums are by
    torch's fused kernels.

    With x' = (x - mean) / sigma, y = w x' + b, g = dL/dy, and means over all N numbers of a channel
    in all processes (Ioffe & Szegedy 2015, arXiv:1502.03167, section 3):

        dL/dx = w / sigma (g - mean(g) - x' mean(g x'))
    """

    @staticmethod
    def forward(
        context: Any, x: Tensor, weight: Tensor | None, bias: Tensor | None,
        mean: Tensor, variance: Tensor, eps: float, processes: Any,
    ) -> Tensor:  # fmt: skip
        context.save_for_backward(x, weight, bias, mean, variance)
        context.eps, context.processes = eps, processes
        return F.batch_norm(x, mean, variance, weight, bias, training=False, eps=eps)

    @staticmethod
    def backward(context: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, bias, mean, variance = context.saved_tensors
        eps, processes = context.eps, context.processes
        if torch.is_grad_enabled():  # to be differentiated again
            y = _by_operations(x, weight, bias, eps, processes)
            wanted = [t is not None and t.requires_grad for t in (x, weight, bias)]
            own = [t for t, want in zip((x, weight, bias), wanted, strict=True) if want]
            found = iter(torch.autograd.grad(y, own, g, create_graph=True))
            return *(next(found) if want else None for want in wanted), None, None, None, None
        if g.stride() != x.stride():  # sums of bf16 numbers of two layouts would be rounded
            g = torch.empty_like(x).copy_(g)
        inverse = (variance + eps).rsqrt_()
        weights = torch.ones_like(mean) if weight is None else weight
        # The sums of g x' and g over the share. CUDA reads the statistics as those of a batch.
        _, with_x, alone = torch.ops.aten.native_batch_norm_backward(
            g, x, weights, mean, variance, mean, inverse, False, eps, [False, True, True]
        )
        count = x.numel() // len(mean) * processes.size
        of_g, of_gx = processes.summed(torch.stack([alone, with_x]))
        scale = weights * inverse
        slope = (scale * inverse).mul_(of_gx).div_(-count)
        shift = torch.addcmul(mean * slope, scale, of_g, value=1 / count).neg_()
        shape = (1, -1, *[1] * (x.dim() - 2))
        # In float32: broadcasting bf16 takes ten times as long.
        into_x = torch.addcmul(shift.view(shape), _precise(g), scale.view(shape))
        into_x.addcmul_(_precise(x), slope.view(shape))
        _, of_weight, of_bias, *_ = context.needs_input_grad
        return (
            into_x.to(x.dtype), with_x if of_weight else None, alone if of_bias else None,
            None, None, None, None,
        )  # fmt: skip


def _of_the_whole(x: Tensor, processes: Any) -> tuple[Tensor, Tensor]:
    """Mean and biased variance of each channel over all processes' shares, in float32 or more."""
    of_share = torch.batch_norm_update_stats(_precise(x), None, None, 0.0)
    return _combined(processes.gathered(torch.stack(of_share)))


def _precise(x: Tensor) -> Tensor:
    """`x` in float32 at least, as statistics are taken of it."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _combined(of_shares: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of a batch from those of its shares, (n, 2, C)."""
    count = len(of_shares)  # sums: torch's mean and variance of two numbers take five times as long
    mean, within = of_shares.sum(0).div_(count)
    return mean, within + (of_shares[:, 0] - mean).square_().sum(0).div_(count)


def _by_operations(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float, processes: Any
) -> Tensor:
    """What `_Normalised` computes, of operations that can be differentiated as often as asked."""
    full, axes = _precise(x), [0, *range(2, x.dim())]
    of_share = torch.stack([full.mean(axes), full.var(axes, correction=0)])
    mean, variance = _combined(processes.whole(of_share[None]))
    scale = (variance + eps).rsqrt()
    shift = -mean * scale
    if weight is not None and bias is not None:  # a layer has both or none
        scale, shift = scale * weight, shift * weight + bias
    shape = (1, -1, *[1] * (x.dim() - 2))
    return torch.addcmul(shift.view(shape), full, scale.view(shape)).to(x.dtype)


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
