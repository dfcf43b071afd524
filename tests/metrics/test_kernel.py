"""Kernel distance: brute force, torchmetrics, what it is at equal distributions."""

import pytest
import torch

from steadygan.errors import UserError
from steadygan.metrics.kernel import kernel_distance, squared_mmd


def drawn(count, dimension=6, seed=0, shift=0.0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, dimension, generator=generator).double() + shift


def brute(x, y):
    """The estimator of eq. 4, term by term."""
    m, n, d = len(x), len(y), x.shape[1]

    def k(a, b):
        return (sum(float(p) * float(q) for p, q in zip(a, b, strict=True)) / d + 1) ** 3

    xx = sum(k(x[i], x[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    yy = sum(k(y[i], y[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    xy = sum(k(a, b) for a in x for b in y) / (m * n)
    return xx + yy - 2 * xy


def test_it_is_the_sum_of_its_terms():
    x, y = drawn(5), drawn(7, seed=1, shift=0.5)
    assert squared_mmd(x, y) == pytest.approx(brute(x, y), rel=1e-12)


@pytest.mark.parametrize("dimension", [4, 128])
def test_it_is_what_torchmetrics_says(dimension):
    import torchmetrics.image.kid as oracle

    x, y = drawn(100, dimension), drawn(100, dimension, 1, 0.3)
    expected = oracle.poly_mmd(x, y, 3, None, 1.0).item()
    assert squared_mmd(x, y) == pytest.approx(expected, rel=1e-6)


def test_it_is_unbiased_at_any_size():
    """Zero on average for one distribution, at 10 samples as at 100, and sometimes below."""
    for size in (10, 100):
        values = torch.tensor(
            [squared_mmd(drawn(size, 4, s), drawn(size, 4, s + 9000)) for s in range(200)]
        )
        assert abs(values.mean()) < 3 * values.std() / 200**0.5
        assert values.min() < 0


def test_it_grows_with_a_shift():
    far = [kernel_distance(drawn(300), drawn(300, seed=1, shift=s), 10)[0] for s in (0, 0.5, 1)]
    assert far[0] < far[1] < far[2]


def test_subsets_follow_the_seed_and_their_spread_is_given():
    x, y = drawn(500), drawn(400, seed=1)
    first, second = (kernel_distance(x, y, 20, 50, seed=s) for s in (3, 4))
    assert kernel_distance(x, y, 20, 50, seed=3) == first != second
    assert first[1] > 0


def test_one_subset_of_all_is_the_estimator_itself():
    x, y = drawn(60), drawn(60, seed=1)
    value, spread = kernel_distance(x, y, 3)
    assert value == pytest.approx(squared_mmd(x, y), rel=1e-9)
    assert spread == pytest.approx(0, abs=1e-12)


def test_no_image_is_drawn_twice_into_a_subset():
    """Among 20 features one has no like: drawn with replacement, its copies would show in k_xx."""
    x = torch.zeros(20, 1).double()
    x[0] = 10.0
    value, _ = kernel_distance(x, torch.zeros(20, 1).double(), 50, 20)
    assert value == pytest.approx(squared_mmd(x, torch.zeros(20, 1)), rel=1e-9)


def test_float32_features_are_summed_in_float64():
    x, y = drawn(80).float(), drawn(80, seed=1).float()
    assert squared_mmd(x, y) == squared_mmd(x.double(), y.double())


def test_one_image_is_refused():
    with pytest.raises(UserError, match="2 features or more"):
        kernel_distance(drawn(1), drawn(5))
