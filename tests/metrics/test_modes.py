"""Modes of ring and grid, of stacked digits, and classes: samplers whose answer is known."""

import math

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy as scipy_entropy

from steadygan.data.sources.gaussians import GRID_STD, RING_STD, grid_centres, ring_centres
from steadygan.features.stacked import ChannelClassifier, stacked_modes
from steadygan.metrics.classes import class_histogram, divergence, shares_of
from steadygan.metrics.modes import entropy, jensen_shannon, mode_coverage


def mixture(centres, std, counts, seed=0):
    """Points of a mixture with so many of each mode."""
    chosen = np.repeat(np.arange(len(centres)), counts)
    return centres[chosen] + np.random.default_rng(seed).normal(0, std, (len(chosen), 2))


@pytest.mark.parametrize(
    ("centres", "std"), [(ring_centres(), RING_STD), (grid_centres(), GRID_STD)]
)
def test_the_source_itself_has_every_mode_and_the_known_share_of_quality(centres, std):
    """Within 3 deviations in the plane lie 1 - exp(-9/2) of a Gaussian's points."""
    found = mode_coverage(mixture(centres, std, 800), centres, std)
    assert found["modes"] == found["modes_in_data"] == len(centres)
    assert found["high_quality"] == pytest.approx(1 - math.exp(-4.5), abs=0.004)
    assert found["mode_entropy"] == pytest.approx(math.log(len(centres)), abs=0.01)
    assert found["mode_js"] == pytest.approx(0, abs=1e-3)


def test_one_mode_alone_is_a_collapse():
    centres = ring_centres()
    points = np.repeat(centres[:1], 100, 0)
    found = mode_coverage(points, centres, RING_STD)
    assert (found["modes"], found["high_quality"], found["mode_entropy"]) == (1, 1, 0)
    assert found["mode_js"] == pytest.approx(jensen_shannon(np.eye(8)[0]), abs=1e-12)


def test_three_deviations_are_the_border():
    centres = ring_centres()
    points = centres[:2] + np.array([[2.999 * RING_STD, 0], [3.001 * RING_STD, 0]])
    found = mode_coverage(points, centres, RING_STD)
    assert (found["modes"], found["high_quality"]) == (1, 0.5)


def test_points_between_modes_count_for_none():
    found = mode_coverage(np.zeros((50, 2)), ring_centres(), RING_STD)
    assert (found["modes"], found["high_quality"], found["mode_js"]) == (0, 0, math.log(2))


def test_entropy_and_js_are_scipys():
    shares = np.random.default_rng(0).dirichlet(np.ones(9))
    shares[2] = 0
    shares /= shares.sum()
    uniform = np.full(9, 1 / 9)
    assert entropy(shares) == pytest.approx(scipy_entropy(shares), rel=1e-12)
    assert jensen_shannon(shares) == pytest.approx(jensenshannon(shares, uniform) ** 2, rel=1e-9)


# ---- stacked digits ------------------------------------------------------------------------


def every_triple():
    return np.arange(1000)


def test_every_triple_once_is_every_mode_and_no_divergence():
    found = stacked_modes(every_triple())
    assert (found["modes"], found["modes_in_data"]) == (1000, 1000)
    assert found["reverse_kl"] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("modes", [1, 10, 500])
def test_some_triples_evenly_diverge_by_the_log_of_what_is_lost(modes):
    found = stacked_modes(np.repeat(every_triple()[:modes], 7, 0))
    assert found["modes"] == modes
    assert found["reverse_kl"] == pytest.approx(math.log(1000 / modes), abs=1e-9)


def test_uneven_triples_diverge_as_scipy_says():
    counts = np.random.default_rng(0).integers(1, 9, 1000)
    found = stacked_modes(np.repeat(every_triple(), counts, 0))
    expected = scipy_entropy(counts / counts.sum(), np.full(1000, 1e-3))
    assert found["reverse_kl"] == pytest.approx(expected, rel=1e-9)


def test_each_channel_is_read_by_itself_and_their_order_counts():
    """A classifier that is sure of the digit a channel's grey value stands for."""

    class Sure(torch.nn.Module):
        def forward(self, x):
            digit = ((x[:, 0, 0, 0] + 1) * 127.5 / 10).round().long()
            return x.flatten(1)[:, :4], 3 * torch.nn.functional.one_hot(digit, 10).float()

    wanted = torch.randint(0, 10, (64, 3), generator=torch.Generator().manual_seed(0))
    images = (wanted * 10 / 127.5 - 1)[..., None, None].expand(-1, -1, 5, 5)
    features, logits = ChannelClassifier(Sure())(images)
    assert (logits.argmax(1) == wanted @ torch.tensor([100, 10, 1])).all()
    assert logits.softmax(1).max() == pytest.approx((math.e**3 / (math.e**3 + 9)) ** 3, rel=1e-4)
    assert torch.equal(features, images.flatten(2)[..., :4].flatten(1))


# ---- classes -------------------------------------------------------------------------------


def test_the_divergence_of_classes_is_scipys_and_its_ends_are_known():
    first, second = np.random.default_rng(0).dirichlet(np.ones(5), 2)
    assert divergence(first, second) == pytest.approx(scipy_entropy(first, second), rel=1e-12)
    assert divergence(first, first) == 0
    even = np.full(5, 0.2)
    assert divergence(np.eye(5)[3], even) == pytest.approx(math.log(5), rel=1e-12)
    assert divergence(even, np.eye(5)[3]) == math.inf


def test_a_class_is_covered_above_a_tenth_of_an_even_share():
    """Of two classes a twentieth: 5 of 100 do not do, 6 do."""
    for count, covered in ((5, 1), (6, 2)):
        predicted = np.array([1] * count + [0] * (100 - count))
        found = class_histogram(predicted, np.array([0, 1]), ("a", "b"))
        assert (found["covered"], found["classes"]) == (covered, 2)


def test_the_histogram_is_by_name_and_against_the_datas_own_shares():
    predicted, labels = np.array([0, 0, 0, 1]), np.array([0, 0, 0, 0, 0, 0, 1, 1])
    found = class_histogram(predicted, labels, ("a", "b"))
    assert found["shares"] == {"a": 0.75, "b": 0.25}
    assert found["kl"] == 0
    assert shares_of(np.array([2, 2]), 3).tolist() == [0, 0, 1]
