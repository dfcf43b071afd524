"""The moving average of the generator that samples are drawn from."""

from __future__ import annotations

import copy

import torch
from pydantic import Field
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from steadygan.networks.spectral import power_iteration
from steadygan.spec import Spec


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
        pairs = zip(_tensors(g_ema), _tensors(generator), strict=True)
        floats: list[tuple[torch.Tensor, torch.Tensor]] = []
        for old, new in pairs:
            if old.is_floating_point():
                floats.append((old, new))
            else:
                old.copy_(new)
        olds, news = zip(*floats, strict=True)
        get_ema_multi_avg_fn(self.decay(images, batch))(list(olds), list(news), None)
        power_iteration(g_ema)  # averaged singular vectors then fit the averaged weights


def _tensors(module: nn.Module) -> list[torch.Tensor]:
    return [*module.parameters(), *module.buffers()]
