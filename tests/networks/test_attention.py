"""The self-attention block: eq. 1 to 3 of Zhang et al. 2019."""

import numpy as np
import pytest
import torch

from steadygan.networks.attention import SelfAttention, attention_weights
from steadygan.networks.spectral import normalised_layers, spectral_norm


def block(channels=16, gamma=0.7, seed=0, **fields):
    torch.manual_seed(seed)
    made = SelfAttention(channels, **fields).double()
    with torch.no_grad():
        made.gamma.fill_(gamma)
    return made


def maps(shape=(2, 16, 6, 6), seed=1):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def by_hand(made, x, pool):
    """The block written out in numpy, position by position."""
    wf, wg, wh, wv = (
        layer.weight.detach().numpy()[:, :, 0, 0]
        for layer in (made.query, made.key, made.value, made.out)
    )
    gamma, x = made.gamma.item(), x.detach().numpy()
    out = np.empty_like(x)
    for b, image in enumerate(x):
        flat = image.reshape(len(image), -1)
        keys, values = wg @ flat, wh @ flat
        if pool:
            side = image.shape[-1]
            keys, values = (
                t.reshape(-1, side // 2, 2, side // 2, 2).max((2, 4)).reshape(len(t), -1)
                for t in (keys, values)
            )
        for j in range(flat.shape[1]):
            logits = keys.T @ (wf @ flat[:, j])  # not scaled by the root of the width
            beta = np.exp(logits - logits.max())
            gathered = wv @ (values @ (beta / beta.sum()))
            out[b].reshape(len(image), -1)[:, j] = gamma * gathered + flat[:, j]
    return out


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("pool", [True, False])
def test_it_is_the_papers_equations(pool, fused):
    made, x = block(pool=pool, fused=fused), maps()
    wanted = by_hand(made, x, pool)
    assert np.abs(wanted - x.numpy()).max() > 0.1
    np.testing.assert_allclose(made(x).detach().numpy(), wanted, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("pool", [True, False])
def test_at_the_start_gamma_is_0_and_the_block_is_the_identity(pool):
    made, x = SelfAttention(16, pool=pool), maps().float()
    assert made.gamma.item() == 0
    assert made.gamma.requires_grad
    assert torch.equal(made(x), x)


def test_gammas_slope_is_what_the_attention_gathers_along_the_losss_and_one_step_moves_it():
    made, x = block(gamma=0.0), maps()
    towards = maps(seed=3)
    with torch.no_grad():
        made.gamma.fill_(1.0)
        gathered = made(x) - x
        made.gamma.fill_(0.0)
    (slope,) = torch.autograd.grad((made(x) * towards).sum(), made.gamma)
    assert slope.item() == pytest.approx((gathered * towards).sum().item(), rel=1e-9)
    assert abs(slope.item()) > 1e-3
    adam = torch.optim.Adam(made.parameters(), 1e-3)
    adam.zero_grad()
    (made(x) * towards).sum().backward()
    adam.step()
    assert abs(made.gamma.item()) == pytest.approx(1e-3, rel=1e-3)


@pytest.mark.parametrize("pool", [True, False])
def test_the_shares_of_each_position_sum_to_1(pool):
    made, x = block(pool=pool), maps() * 3
    query, key, value = made.queries_keys_values(x)
    beta = attention_weights(query, key)
    positions = 9 if pool else 36
    assert beta.shape == (2, 36, positions)
    assert key.shape == (2, positions, 2)
    assert value.shape == (2, positions, 8)
    assert (beta >= 0).all()
    torch.testing.assert_close(beta.sum(2), torch.ones(2, 36).double())
    assert beta.std() > 0.01


def test_without_pooling_positions_are_a_set():
    made, x = block(pool=False), maps()
    order = torch.randperm(36, generator=torch.Generator().manual_seed(0))

    def permuted(t):
        return t.flatten(2)[..., order].unflatten(2, (6, 6))

    torch.testing.assert_close(made(permuted(x)), permuted(made(x)))
    pooled = block(pool=True)
    assert not torch.allclose(pooled(permuted(x)), permuted(pooled(x)))


def test_widths_are_those_of_the_paper_and_can_be_told():
    made = SelfAttention(64)
    shapes = [layer.weight.shape[:2] for layer in (made.query, made.key, made.value, made.out)]
    assert [tuple(s) for s in shapes] == [(8, 64), (8, 64), (32, 64), (64, 32)]
    assert all(layer.bias is None for layer in (made.query, made.key, made.value, made.out))
    assert SelfAttention(64, value_channels=64).value.out_channels == 64
    assert SelfAttention(4).query.out_channels == 1  # never none


@pytest.mark.parametrize("side", [7, 14])
def test_odd_sides_pool_to_every_position(side):
    """28 pixels give maps of 14 and 7: the last row and column must be looked at too."""
    made, x = block(), torch.zeros(1, 16, side, side, dtype=torch.float64)
    x.requires_grad_()
    noisy = x + 0.1 * maps((1, 16, side, side))
    noisy[..., -1, -1] += maps((16,))  # stands out, so that some channel's maximum is there
    (slope,) = torch.autograd.grad((made(noisy) - noisy)[0, :, 0, 0].sum(), x)
    assert made(noisy).shape == noisy.shape
    assert slope[0, :, -1, -1].abs().max() > 0


def test_unfused_it_can_be_differentiated_twice_with_any_widths():
    """A penalty on D's slope does it; torch's fused kernels cannot (equal widths choose one)."""

    def twice(fused):
        made = SelfAttention(16, value_channels=2, fused=fused)
        made.gamma.data.fill_(1.0)
        x = maps().float().requires_grad_()
        (slope,) = torch.autograd.grad(made(x).square().sum(), x, create_graph=True)
        return torch.autograd.grad(slope.square().sum(), made.query.weight)[0]

    assert twice(fused=False).abs().max() > 0
    with pytest.raises(RuntimeError, match="not implemented"):
        twice(fused=True)


@pytest.mark.parametrize("fused", [True, False])
def test_under_autocast_it_is_the_float32_block_to_bf16s_rounding(fused):
    made, x = block(fused=fused).float(), maps().float()
    with torch.autocast("cpu", torch.bfloat16):
        rounded = made(x)
    torch.testing.assert_close(rounded.float(), made(x), rtol=0.05, atol=0.05)
    assert not torch.equal(rounded.float(), made(x))


def test_all_four_convolutions_take_spectral_normalisation():
    made = spectral_norm(SelfAttention(16))
    assert [name for name, *_ in normalised_layers(made)] == ["query", "key", "value", "out"]
    assert made.gamma in set(made.parameters())
