"""The curve of distances: excesses above real data, the grid, and what is read off, by hand."""

import math

import pytest

from steadygan.stability.curve import (
    Levels,
    Point,
    first_usable,
    late_slope,
    learned,
    levels_of,
    on_grid,
    points_of,
    relapses,
    too_few,
    worst_jump,
)

LEVELS = Levels(real=10.0, noise=410.0, real_sd=0.5)


def points(*distances, start=400.0):
    """Evaluations of the untrained generator, then one every 100 images and 2 seconds."""
    first = [] if start is None else [Point(0, 0.0, start)]
    return first + [Point(100 * n, 2.0 * n, d) for n, d in enumerate(distances, 1)]


def test_an_excess_is_above_the_real_level_and_never_below_three_deviations_of_it():
    assert LEVELS.floor == 1.5
    assert [LEVELS.excess(d) for d in (30.0, 11.6, 11.4, 10.0, 3.0)] == [
        20.0, pytest.approx(1.6), 1.5, 1.5, 1.5]  # fmt: skip
    assert LEVELS.excess(math.nan) == LEVELS.excess(math.inf) == math.inf
    assert Levels(10.0, 410.0).floor == 8.0, ".8 of the real level, of runs without a deviation"
    assert Levels(0.0, 1.0, 0.0).excess(0.0) == 1e-9, "nothing is divided by zero"
    assert levels_of({"real": 10, "noise": 410.0, "real_sd": 0.5}) == LEVELS
    assert levels_of({"real": None, "noise": math.nan}) == Levels()
    assert not Levels(real=1.0).known


def test_a_relapse_is_over_one_and_a_half_times_the_best_before_it_and_not_the_last():
    assert relapses([40, 60]) == 0.0, "1.5 times is the limit"
    assert relapses([40, 100, 90, 60]) == 2 / 4, "90 is over 1.5 x 40, not over 1.5 x 100"
    assert relapses([math.inf, math.inf, 40]) == 2 / 3


def test_a_jump_is_between_neighbours_the_last_one_too():
    assert worst_jump([50, 40, 80]) == 2.0
    assert worst_jump([80, 40, 50]) == 1.25
    assert worst_jump([60, math.inf, 40]) == math.inf


def test_each_halving_of_the_excess_is_as_much_learned():
    """From 320 to a floor of 5 are six halvings."""
    assert [learned(320, best, 5) for best in (320, 160, 80, 5)] == pytest.approx(
        [0, 1 / 6, 2 / 6, 1]
    )
    assert learned(320, 500, 5) == 0.0
    assert learned(320, math.inf, 5) == 0.0
    assert learned(5, 5, 5) is None, "the start was no worse than real data"


def test_usable_is_nine_tenths_of_the_way_from_noise_to_real():
    """410 - 0.9 x 400 = 50: at 50 and not a hair above."""
    found = first_usable(points(200, 50.001, 50, 20)[1:], LEVELS)
    assert (found.images, found.seconds) == (300, 6.0)
    assert first_usable(points(51), LEVELS) is None
    assert first_usable(points(1), Levels(real=10.0)) is None, "noise is not known"


def test_the_grid_is_interpolated_in_the_logarithm_of_the_excess():
    """From 400 - 10 at 0 images to 10 + 39 halfway: a tenth in five steps, then level."""
    found = on_grid([Point(0, 0, 400.0), Point(500, 0, 49.0), Point(1000, 0, 49.0)], LEVELS)
    assert len(found) == 10
    assert found[:5] == pytest.approx([390 * 10 ** (-k / 5) for k in range(1, 6)])
    assert found[4:] == pytest.approx([39.0] * 6)


def test_the_grid_begins_with_the_first_evaluation_and_keeps_what_is_not_finite():
    found = on_grid([Point(400, 0, 50.0), Point(1000, 0, 30.0)], LEVELS)
    assert found[:4] == pytest.approx([40.0] * 4)
    assert found[-1] == pytest.approx(20.0)
    found = on_grid([Point(100 * k, 0, math.inf if k == 4 else 50.0) for k in range(11)], LEVELS)
    assert [math.isinf(value) for value in found] == [k == 4 for k in range(1, 11)]
    found = on_grid([Point(0, 0, 50.0), Point(500, 0, math.inf), Point(1000, 0, 50.0)], LEVELS)
    assert [math.isinf(value) for value in found] == [True] * 9 + [False]


def test_five_evaluations_without_a_long_gap_are_the_fewest():
    assert too_few(points(1, 2, 3, 4, 5, start=None), 500) == ""
    assert too_few(points(1, start=None), 100) == "1 evaluation after the start, a score wants 5"
    assert "4 evaluations" in too_few(points(1, 2, 3, 4, start=None), 400)
    bunched = [Point(images, 0, 1.0) for images in (10, 20, 30, 40, 100)]
    assert "no evaluation in 60% of the run" in too_few(bunched, 100)
    assert "no evaluation in 50% of the run" in too_few(points(1, 2, 3, 4, 5, start=None), 1000), (
        "it went on for as long without one"
    )


def test_the_slope_of_the_last_half_is_that_of_a_line_through_logarithms():
    """A distance of x^-2, and a first half that says something else."""
    course = [(10, 7.0), (20, 9.0), *((x, 1000.0 * x**-2) for x in (50, 60, 80, 100))]
    assert late_slope(course) == pytest.approx(-2.0, rel=1e-9)
    assert late_slope(course[:1] + course[-2:]) is None
    assert late_slope([(100, 3.0), (100, 2.0), (100, 1.0)]) is None, "one place is no course"


def test_points_are_read_from_a_history():
    history = [
        {"images": 0, "seconds": 0.0, "fid": 400.0, "energy_distance": 1.0},
        {"images": 50, "seconds": 1.0, "g_gradient_norm": 2.0},
        {"images": 100, "seconds": 2.0, "fid": None},
        {"images": 300, "seconds": 6.0, "energy_distance": 45.0},
    ]
    assert points_of(history) == [Point(0, 0.0, 1.0), Point(300, 6.0, 45.0)]
    of_fid = [{k: v for k, v in line.items() if k != "energy_distance"} for line in history]
    assert points_of(of_fid) == [Point(0, 0.0, 400.0), Point(100, 2.0, math.inf)]
