"""Samples beside the real images that are nearest to them."""

import numpy as np
import pytest
import torch

from steadygan.metrics.nearest import SHOWN, among_real, beside_real, nearest_real, picture


def brute(samples, real):
    far = np.sqrt(((samples[:, None] - real[None]) ** 2).sum(2))
    return far.argmin(1), far.min(1)


def test_the_nearest_of_all_real_images_is_found():
    random = np.random.default_rng(0)
    samples, real = random.standard_normal((40, 6)), random.standard_normal((30, 6))
    rows, distances = nearest_real(torch.from_numpy(samples), torch.from_numpy(real))
    wanted, far = brute(samples, real)
    assert rows.tolist() == wanted.tolist()
    np.testing.assert_allclose(distances.numpy(), far, rtol=1e-10)


def test_copies_come_first_among_the_closest_and_the_others_stay_as_drawn():
    random = np.random.default_rng(1)
    real = random.standard_normal((50, 5))
    samples = random.standard_normal((60, 5)) * 3
    copies = {33: 7, 41: 2, 50: 49}
    for sample, image in copies.items():
        samples[sample] = real[image]
    found = beside_real(torch.from_numpy(samples), torch.from_numpy(real), np.arange(SHOWN))
    assert {a: b for a, b, _ in found["closest"][:3]} == copies
    assert [a for a, _, _ in found["first"]] == list(range(SHOWN))
    wanted, far = brute(samples, real)
    assert [b for _, b, _ in found["first"]] == wanted[:SHOWN].tolist()
    assert found["median"] == pytest.approx(np.median(far))


def test_a_collapsed_generator_has_one_neighbour_and_an_untrained_one_is_far():
    """Both are farther than real images are from each other."""
    random = np.random.default_rng(2)
    real = torch.from_numpy(random.standard_normal((200, 8)))
    untrained = torch.from_numpy(10 + random.standard_normal((100, 8)))
    collapsed = torch.full((100, 8), 3.0, dtype=torch.float64)
    usual = among_real(real)
    for samples in (untrained, collapsed):
        found = beside_real(samples, real, np.arange(SHOWN))
        assert found["median"] > 2 * usual
    assert len({b for _, b, _ in found["first"] + found["closest"]}) == 1


def test_the_level_of_real_images_leaves_each_out_itself():
    assert among_real(torch.tensor([[0.0], [3.0], [4.0], [10.0]])) == pytest.approx(2.0)  # 3,1,1,6
    assert among_real(torch.zeros(1, 3)) is None


def test_the_picture_has_each_sample_above_its_real_image():
    samples = np.zeros((20, 3, 4, 4), np.uint8)
    real = np.zeros((9, 3, 4, 4), np.uint8)
    samples[:, 0], real[:, 1] = np.arange(20)[:, None, None], 10 * np.arange(9)[:, None, None]
    found = {"first": [[0, 8, 1.0], [1, 3, 1.0]], "closest": [[15, 2, 0.0]]}
    cells = np.asarray(picture(samples, real, found)).transpose(2, 0, 1)
    middle = cells[:, 4::6, 4::6]
    assert middle.shape == (3, 4, SHOWN)
    assert middle[0, 0, :2].tolist() == [0, 1]
    assert middle[1, 1, :2].tolist() == [80, 30]
    assert (middle[0, 2, 0], middle[1, 3, 0]) == (15, 20)
    assert (middle[:, 0, 2:] == 255).all()
