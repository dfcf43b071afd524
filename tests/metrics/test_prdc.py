"""Precision, recall, density, coverage: brute force and what is known of each."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from steadygan.errors import UserError
from steadygan.metrics import distances
from steadygan.metrics.distances import squared_distances, within
from steadygan.metrics.prdc import BOUND, most, prdc, prdc_at, reach, real_balls


def normal(count, dimension=2, seed=0, shift=0.0):
    return torch.from_numpy(np.random.default_rng(seed).normal(shift, 1, (count, dimension)))


def brute(real, fake, k=3, wide=5):
    """The definitions over scipy's distances."""
    real, fake = real.numpy(), fake.numpy()

    def ball(x, k):
        return np.sort(cdist(x, x), axis=1)[:, k]

    across = cdist(fake, real)
    return {
        "precision": (across < ball(real, k)).any(1).mean(),
        "recall": (across < ball(fake, k)[:, None]).any(0).mean(),
        "density": (across < ball(real, wide)).sum(1).mean() / wide,
        "coverage": (across.min(0) < ball(real, wide)).mean(),
    }


def with_an_outlier(count=300, dimension=16, far=60.0):
    """Real features about 0 and one far away, whose ball reaches nearly to the others."""
    outlier = torch.zeros(1, dimension, dtype=torch.float64)
    outlier[0, 0] = far
    return torch.cat([normal(count, dimension), outlier])


def test_an_untrained_generator_inside_an_outliers_ball_has_no_precision():
    fakes = 0.01 * normal(301, 16, seed=1)
    fakes[:, 0] += 30.0
    bounded, published = prdc_at(with_an_outlier(), fakes, [BOUND, None])
    assert set(bounded.values()) == {0.0}
    assert published["precision"] == 1, "which is why balls are bounded"


def test_a_collapsed_generator_has_precision_and_neither_recall_nor_coverage():
    """One image of the data and hardly another: precise, as it should be, and nothing else."""
    real = with_an_outlier()
    for fakes in (real[:1] + 1e-3 * normal(301, 16, seed=1), real[:1].repeat(301, 1)):
        bounded = prdc(real, fakes, bound=BOUND)
        assert (bounded["precision"], bounded["density"] > 0) == (1.0, True)
        assert bounded["recall"] < 0.01
        assert bounded["coverage"] < 0.1


def test_samples_all_over_the_place_recall_nothing():
    """As published, balls between samples that are far from each other hold all real images."""
    real, fakes = normal(301, 16), 12 * normal(301, 16, seed=1)
    bounded, published = prdc_at(real, fakes, [BOUND, None])
    assert published["recall"] > 0.9
    assert (bounded["recall"], bounded["precision"]) == (0.0, 0.0)


@pytest.mark.parametrize("dimension", [16, 64])
def test_where_no_radius_is_beyond_the_bound_the_measures_are_as_published(dimension):
    real, fakes = normal(400, dimension), normal(400, dimension, 1, 0.2)
    radii = real_balls(real)[0]
    assert radii.max() < BOUND**2 * radii.median()
    bounded, published = prdc_at(real, fakes, [BOUND, None])
    assert bounded == published
    assert published == pytest.approx(brute(real, fakes), abs=1e-12)
    assert 0 < published["precision"] < 1


def test_the_bound_is_of_the_median_of_balls_that_reach_anywhere():
    """Images that come more than three times have balls of radius 0; they bound no other."""
    radii = torch.tensor([0.0, 0.0, 0.0, 0.0, 4.0, 9.0, 100.0]).double()
    assert most(radii, 2.0) == 4 * 9.0
    assert most(radii, None) == most(torch.zeros(5), 2.0) == np.inf
    repeated = torch.cat([normal(40, 16)] + [normal(1, 16, 5)] * 60)
    found = prdc(repeated, normal(100, 16, 1), bound=BOUND)
    assert found["precision"] > 0.5


@pytest.mark.parametrize("shape", [(80, 60, 2), (70, 90, 16)])
@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_it_is_what_the_definitions_say(shape, shift):
    real, fake = normal(shape[0], shape[2]), normal(shape[1], shape[2], 1, shift)
    assert prdc(real, fake) == pytest.approx(brute(real, fake), abs=1e-12)


def test_blocks_change_nothing(monkeypatch):
    real, fake = normal(83, 4), normal(61, 4, 1, 0.5)
    whole = prdc(real, fake)
    monkeypatch.setattr(distances, "BLOCK", 7 * 61)
    assert prdc(real, fake) == whole


def test_order_changes_nothing():
    real, fake = normal(80, 4), normal(60, 4, 1, 0.5)
    assert prdc(real.flip(0), fake.flip(0)) == pytest.approx(prdc(real, fake), abs=1e-12)


def test_one_distribution_has_density_one_and_coverage_by_formula():
    found = [prdc(normal(1000, 2, s), normal(1000, 2, s + 100)) for s in range(5)]
    mean = {key: np.mean([each[key] for each in found]) for key in found[0]}
    assert mean["density"] == pytest.approx(1, abs=0.05)
    assert mean["coverage"] == pytest.approx(1 - 1 / 2**5, abs=0.01)
    assert mean["precision"] > 0.9
    assert mean["recall"] > 0.9


def test_disjoint_sets_score_nothing():
    found = prdc(normal(100), normal(100, seed=1, shift=100.0))
    assert set(found.values()) == {0.0}


def test_collapsed_fakes_are_precise_and_recall_little():
    fakes = 0.01 * normal(300, seed=1)
    found = prdc(normal(300), fakes)
    assert found["precision"] == 1
    assert found["recall"] < 0.05
    assert found["coverage"] < 0.2


def test_copies_of_one_image_reach_nothing():
    """Their balls have radius 0: as near is not nearer."""
    fakes = torch.zeros(50, 2)
    found = prdc(normal(100), fakes)
    assert found["recall"] == 0
    assert prdc(fakes, fakes)["precision"] == 0


def test_the_ball_reaches_to_the_kth_other():
    line = torch.tensor([[0.0], [1.0], [3.0], [7.0]]).double()
    one, two = reach(line, 1, 2)
    assert one.tolist() == [1, 1, 4, 16]
    assert two.tolist() == [9, 4, 9, 36]


def test_too_few_neighbours_are_refused():
    with pytest.raises(UserError, match="want 6 features"):
        prdc(normal(5), normal(5))


def test_distances_are_scipys_and_equal_features_are_at_zero():
    a, b = normal(20, 30) + 50, normal(30, 30, 1) + 50
    b[3] = a[7]
    found = squared_distances(a, b)
    assert found.numpy() == pytest.approx(cdist(a, b, "sqeuclidean"), abs=1e-9)
    assert found[7, 3] == 0
    assert (found >= 0).all()
    (_, own), *_ = within(a)
    assert own.diagonal().isinf().all()
