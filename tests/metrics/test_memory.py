"""Copies of training images, and how many different images there are: samplers that are known."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist, pdist

from steadygan.metrics import distances, memorisation
from steadygan.metrics.birthday import nearest_distance, nearest_pairs, picture, support
from steadygan.metrics.memorisation import as_points
from steadygan.metrics.memorisation import memorisation as measured
from tests.metrics.sets import lines


def drawn(count, seed, side=8):
    return np.random.default_rng(seed).integers(0, 256, (count, 1, side, side), dtype=np.uint8)


def test_a_generator_that_copies_is_found_out():
    train, test = drawn(300, 0), drawn(100, 1)
    found = measured(train[:80], train, test)
    assert (found["nearest_is_train"], found["expected"], found["copied"]) == (1, 0.75, 1)
    assert found["to_train"] == 0 < found["to_test"]


@pytest.mark.parametrize("held_out", [50, 300, 900])
def test_a_generator_that_learned_the_source_copies_nothing(held_out):
    """Whatever the sizes of the parts."""
    found = measured(drawn(1500, 2), drawn(300, 0), drawn(held_out, 1))
    assert found["copied"] == pytest.approx(0, abs=0.12)
    assert found["expected"] == 300 / (300 + held_out)


def test_half_a_copyist_is_half_way():
    train, test = drawn(400, 0), drawn(400, 1)
    found = measured(np.concatenate([train, drawn(400, 2)]), train, test)
    assert found["copied"] == pytest.approx(0.5, abs=0.08)


def test_a_collapsed_generator_is_no_evidence():
    train, test = drawn(300, 0), drawn(300, 1)
    found = measured(np.repeat(train[:20], 50, 0), train, test)
    assert (found["nearest_images"], found["nearest_is_train"]) == (20, 1)
    assert found["copied"] is None
    assert measured(np.repeat(train[:30], 50, 0), train, test)["copied"] == 1


def test_each_real_image_counts_once():
    """A hundred samples at one training image and one each at three held-out images."""
    train, test = drawn(50, 0), drawn(50, 1)
    found = measured(np.concatenate([np.repeat(train[:1], 100, 0), test[:3]]), train, test)
    assert (found["nearest_images"], found["nearest_is_train"]) == (4, 0.25)


def test_an_image_of_both_parts_counts_half():
    both = drawn(40, 0)
    assert measured(both, both, both)["nearest_is_train"] == 0.5


def test_the_nearest_image_is_scipys_whatever_the_blocks(monkeypatch):
    monkeypatch.setattr(memorisation, "BLOCK", 7)
    monkeypatch.setattr(distances, "BLOCK", 5 * 7)
    samples, known = drawn(12, 0), drawn(30, 1)
    far, row = memorisation.nearest(as_points(samples), known)
    exact = cdist(samples.reshape(12, -1) / 255, known.reshape(30, -1) / 255)
    assert far.numpy() == pytest.approx(exact.min(1), rel=1e-5)
    assert row.tolist() == exact.argmin(1).tolist()


def test_few_large_images_become_floats_at_a_time(monkeypatch):
    large = drawn(7, 0, side=32)
    wanted = as_points(large)
    assert distances.images_at_once(drawn(2, 0, side=8), 4096) == 4096
    monkeypatch.setattr(distances, "VALUES", 2 * large[0].size)
    assert distances.images_at_once(large, 4096) == 2
    assert torch.equal(as_points(large), wanted)


def test_large_images_are_averaged_down_to_sixteen_pixels():
    block = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16)
    large = block.repeat(3, 2).repeat(3, 3)
    assert as_points(large).numpy() == pytest.approx(as_points(block).numpy(), abs=1e-6)
    assert as_points(drawn(2, 0, 12)).shape == (2, 144)


# ---- birthday ------------------------------------------------------------------------------


def features(count, seed, dimension=6):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(count, dimension)))


@pytest.mark.parametrize("atoms", [200, 2000])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_sampler_over_n_images_is_estimated_within_a_factor_of_two(atoms, seed):
    chosen = np.random.default_rng(seed).integers(0, atoms, 1000)
    found = support(features(atoms, seed + 10)[chosen], nearest_distance(features(1000, seed + 50)))
    assert atoms / 2 < found["support"] < 2 * atoms
    assert found["support_at_least"] is None


def test_uneven_images_count_by_their_chance_to_meet():
    """One image in half of the draws: two samples meet there with chance 1/4, so support is 4."""
    chosen = np.random.default_rng(0).integers(1, 10**6, 2000)
    chosen[::2] = 0
    values = features(1, 3).repeat(2000, 1)
    values[chosen > 0] = features(1000, 4)[: int((chosen > 0).sum())]
    apart = nearest_distance(features(2000, 5))
    assert support(values, apart)["support"] == pytest.approx(4, rel=0.02)


def test_without_a_duplicate_there_is_a_lower_bound():
    """Twice as far apart as real images: not one pair is too near."""
    real = features(400, 0)
    found = support(2 * real, nearest_distance(real))
    assert (found["support"], found["duplicates"]) == (None, 0)
    assert found["support_at_least"] == pytest.approx(400 * 399 / 2 / 3)


def test_real_images_against_themselves_have_no_duplicate():
    real = features(300, 0)
    assert support(real, nearest_distance(real))["duplicates"] <= 1


def test_pairs_are_scipys_whatever_the_blocks(monkeypatch):
    values = features(40, 0)
    exact = np.sort(pdist(values.numpy()))
    for rows in (1000, 9):
        monkeypatch.setattr(distances, "BLOCK", 40 * rows)
        pairs, far, nearer = nearest_pairs(values, float(np.mean(exact[9:11])), 15)
        assert far.numpy() == pytest.approx(exact[:15], rel=1e-9)
        own = [float((values[a] - values[b]).norm()) for a, b in pairs.tolist()]
        assert own == pytest.approx(far.tolist(), rel=1e-9)
        assert (pairs[:, 0] < pairs[:, 1]).all()
        assert nearer == 10
        assert nearest_distance(values) == pytest.approx(exact[0], rel=1e-9)


def test_the_picture_shows_each_pair_one_above_the_other():
    images, _ = lines(30, 0)
    shown = np.asarray(picture(images, [[3, 7, 0.1], [4, 9, 0.2]]))
    cell, gap = 12, 2
    for column, pair in enumerate(((3, 7), (4, 9))):
        for row, image in enumerate(pair):
            top, left = gap + row * (cell + gap), gap + column * (cell + gap)
            assert (shown[top : top + cell, left : left + cell] == images[image, 0]).all()
    pairs = [[0, 1, 0.1]] * 13
    assert np.asarray(picture(images, pairs)).shape[0] == 4 * (cell + gap) + gap
