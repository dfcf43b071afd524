"""The energy distance against closed forms and scipy."""

import numpy as np
import pytest
import torch
from scipy.stats import energy_distance as scipys

from steadygan.metrics import energy_distance as module
from steadygan.metrics.energy_distance import energy_distance


def test_two_points_are_twice_their_distance_apart():
    """2 |a - b| - 0 - 0, and the points 3, 4 and 0, 0 are 5 apart."""
    assert energy_distance(torch.tensor([[3.0, 4.0]]), torch.zeros(1, 2)) == 10.0


def test_on_a_line_it_is_the_square_of_scipys():
    """scipy gives sqrt(2 integral (F - G)^2), the root of the same distance in one dimension."""
    random = np.random.default_rng(0)
    a, b = random.normal(0, 1, 300), random.normal(0.5, 2, 200)
    on_a_line = [torch.from_numpy(np.stack([x, 0 * x], 1)) for x in (a, b)]
    assert energy_distance(*on_a_line) == pytest.approx(scipys(a, b) ** 2, rel=1e-9)


def test_equal_sets_are_0_apart_in_any_order_and_it_is_symmetric():
    a = torch.randn(50, 2, generator=torch.Generator().manual_seed(0))
    b = torch.randn(40, 2, generator=torch.Generator().manual_seed(1)) + 1
    assert energy_distance(a, a.flip(0)) == pytest.approx(0.0, abs=1e-12)
    assert energy_distance(a, b) == pytest.approx(energy_distance(b, a), rel=1e-12)


def test_it_is_the_same_in_blocks_and_with_a_side_that_is_known(monkeypatch):
    a, b = (torch.randn(n, 2, generator=torch.Generator().manual_seed(n)) for n in (70, 30))
    every = [
        float((x[:, None] - y).double().norm(dim=2).mean()) for x, y in ((a, b), (a, a), (b, b))
    ]
    wanted = 2 * every[0] - every[1] - every[2]
    monkeypatch.setattr(module, "BLOCK", 16)
    assert energy_distance(a, b) == pytest.approx(wanted, rel=1e-6)
    assert energy_distance(a, b, module.mean_distance(b, b)) == energy_distance(a, b)


def test_near_points_keep_their_digits():
    """By matrix products the distance of points far from 0 and near each other is rounding."""
    a, b = torch.tensor([[1e6, 1e6]]), torch.tensor([[1e6 + 0.125, 1e6]])
    assert energy_distance(a.repeat(40, 1), b.repeat(40, 1)) == 0.25


def test_a_lost_mode_is_farther_away_than_none():
    from steadygan.data import open_data

    points = torch.from_numpy(np.array(open_data("ring").test.items[:1000]))
    half = points[points[:, 0] > 0]
    others = torch.from_numpy(np.array(open_data("ring").train.items[:1000]))
    assert energy_distance(half, points) > 20 * energy_distance(others, points)
