"""Self-attention over the positions of a feature map. Zhang et al. 2019, arXiv:1805.08318, sec. 3.

A position j gathers what all positions i hold: beta_ji = softmax_i(f(x_i) . g(x_j)) (eq. 1),
o_j = v(sum_i beta_ji h(x_i)) (eq. 2), and the block gives y = gamma o + x with gamma = 0 at the
start (eq. 3). f, g, h and v are 1x1 convolutions; the logits are not scaled.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d, scaled_dot_product_attention


class SelfAttention(nn.Module):
    """x (B, C, H, W) -> gamma o(x) + x, the same shape; the identity at the start.

    Keys and queries have C/8 channels, values `value_channels` (None: C/2). With `pool` keys and
    values are max-pooled 2x2, as in the authors' code: a quarter of the positions to attend to.
    `fused` uses torch's fused kernels, which cannot be differentiated twice: not for a network
    whose input gradient is penalised.
    """

    def __init__(
        self,
        channels: int,
        *,
        pool: bool = True,
        value_channels: int | None = None,
        fused: bool = True,
    ) -> None:
        super().__init__()
        narrow = max(channels // 8, 1)
        values = value_channels or max(channels // 2, 1)
        self.pool, self.fused = pool, fused
        self.query = nn.Conv2d(channels, narrow, 1, bias=False)
        self.key = nn.Conv2d(channels, narrow, 1, bias=False)
        self.value = nn.Conv2d(channels, values, 1, bias=False)
        self.out = nn.Conv2d(values, channels, 1, bias=False)
        self.gamma = nn.Parameter(torch.zeros(()))

    def queries_keys_values(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Positions as rows: (B, N, C/8), (B, M, C/8), (B, M, values); M is N/4 with `pool`."""
        query, key, value = self.query(x), self.key(x), self.value(x)
        if self.pool:
            key, value = (max_pool2d(t, 2, ceil_mode=True) for t in (key, value))
        query, key, value = (t.flatten(2).mT for t in (query, key, value))
        return query, key, value

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.queries_keys_values(x)
        if self.fused:  # the kernels need an axis of heads, and contiguous channels
            query, key, value = (t.unsqueeze(1).contiguous() for t in (query, key, value))
            gathered = scaled_dot_product_attention(query, key, value, scale=1.0).squeeze(1)
        else:
            gathered = attention_weights(query, key).to(value.dtype) @ value
        gathered = gathered.mT.unflatten(2, x.shape[2:])
        return self.gamma * self.out(gathered) + x


def attention_weights(query: Tensor, key: Tensor) -> Tensor:
    """beta (B, N, M), eq. 1: the weight of each position i for position j; rows sum to 1."""
    logits = query @ key.mT
    return logits.softmax(2, dtype=torch.promote_types(logits.dtype, torch.float32))
