"""Frechet distance: oracles, closed forms, invariances."""

import numpy as np
import pytest
import scipy.linalg
import torch

from steadygan.errors import UserError
from steadygan.metrics import frechet
from steadygan.metrics.frechet import Moments, frechet_distance, moments, root, too_few


def drawn(count, dimension, seed, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(dimension, dimension, generator=generator, dtype=torch.float64)
    noise = torch.randn(count, dimension, generator=generator, dtype=torch.float64)
    return scale * noise @ mixing + mixing[0]


def distance(a, b):
    return frechet_distance(moments(a), moments(b))


def by_scipy(a, b):
    """The definition, with numpy's covariance and scipy's root of the product."""
    first, second = (np.cov(each.numpy(), rowvar=False) for each in (a, b))
    product = scipy.linalg.sqrtm(first @ second)
    shift = ((a.numpy().mean(0) - b.numpy().mean(0)) ** 2).sum()
    return shift + np.trace(first) + np.trace(second) - 2 * np.trace(product).real


@pytest.mark.parametrize(("dimension", "count"), [(3, 50), (16, 200), (64, 300)])
def test_it_is_what_scipy_and_torchmetrics_say(dimension, count):
    import torchmetrics.image.fid as oracle

    a, b = drawn(count, dimension, 0), drawn(count + 20, dimension, 1, 1.5)
    found = distance(a, b)
    assert found == pytest.approx(by_scipy(a, b), rel=1e-6)
    parts = (a.mean(0), a.T.cov(), b.mean(0), b.T.cov())
    assert found == pytest.approx(oracle._compute_fid(*parts).item(), rel=1e-6)


def test_moments_are_numpys_in_float64_whatever_the_block(monkeypatch):
    features = (drawn(501, 5, 2) + 1000).float()
    found = moments(features)
    exact = features.double().numpy()
    assert found.mean.numpy() == pytest.approx(exact.mean(0), rel=1e-12)
    assert found.covariance.numpy() == pytest.approx(np.cov(exact, rowvar=False), rel=1e-9)
    monkeypatch.setattr(frechet, "CHUNK", 7)
    again = moments(features)
    assert again.covariance.numpy() == pytest.approx(found.covariance.numpy(), rel=1e-12)
    assert found.count == 501


def test_a_set_is_at_distance_zero_from_itself():
    a = drawn(300, 20, 0)
    assert distance(a, a) == pytest.approx(0, abs=1e-6 * a.var().item())
    assert distance(a, a) >= 0


def test_one_dimension_is_the_closed_form():
    one = Moments(torch.tensor([2.0]).double(), torch.tensor([[9.0]]).double(), 100)
    two = Moments(torch.tensor([-1.0]).double(), torch.tensor([[0.25]]).double(), 100)
    assert frechet_distance(one, two) == pytest.approx(3.0**2 + (3.0 - 0.5) ** 2, rel=1e-12)


def test_it_is_symmetric_and_blind_to_order():
    a, b = drawn(200, 10, 0), drawn(150, 10, 1)
    assert distance(a, b) == pytest.approx(distance(b, a), rel=1e-9)
    assert distance(a.flip(0), b[torch.randperm(150)]) == pytest.approx(distance(a, b), rel=1e-9)


def test_a_shift_adds_its_squared_length():
    a, b = drawn(200, 10, 0), drawn(200, 10, 0, 2.0)
    move = torch.arange(10.0).double()
    centred = a - a.mean(0), b - b.mean(0)
    moved = distance(centred[0] + move, centred[1])
    assert moved - distance(*centred) == pytest.approx(move.square().sum().item(), rel=1e-9)


def test_singular_covariances_have_their_closed_form():
    """Diagonal ones, half of the directions empty in one or both."""
    one = torch.tensor([4.0, 1.0, 0.0, 0.0]).double()
    two = torch.tensor([1.0, 0.0, 9.0, 0.0]).double()
    zero = torch.zeros(4, dtype=torch.float64)
    found = frechet_distance(Moments(zero, one.diag(), 9), Moments(zero, two.diag(), 9))
    assert found == pytest.approx(((one.sqrt() - two.sqrt()) ** 2).sum().item(), rel=1e-9)


def test_fewer_features_than_dimensions_make_no_nan():
    """Tr (S1 S2)^(1/2) is the sum of the singular values of X Y^T, whatever the rank."""
    a, b = drawn(8, 30, 0), drawn(10, 30, 1)
    x, y = ((each - each.mean(0)) / (len(each) - 1) ** 0.5 for each in (a, b))
    cross = torch.linalg.svdvals(x @ y.T).sum()
    shift = (a.mean(0) - b.mean(0)).square().sum()
    expected = shift + x.square().sum() + y.square().sum() - 2 * cross
    assert distance(a, b) == pytest.approx(expected.item(), rel=1e-5)


def test_the_root_squares_to_its_matrix():
    matrix = drawn(50, 6, 3).T.cov()
    assert (root(matrix) @ root(matrix)).numpy() == pytest.approx(matrix.numpy(), rel=1e-9)


def test_too_few_samples_are_refused_with_the_reason():
    assert too_few(129, 128) == ""
    assert "128 samples do not fill 128 feature dimensions" in too_few(128, 128)
    assert "KID" in too_few(100, 2048)
    with pytest.raises(UserError, match="2 features or more"):
        moments(torch.zeros(1, 3))
