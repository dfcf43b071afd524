"""The definition of `settled` on curves whose answer is known in closed form."""

import math
import random
from statistics import median

import pytest

from steadygan.report.settle import FEWEST_POINTS, running_median, settle, smoothing_window

STEPS = [10 * (i + 1) for i in range(400)]


def on(curve):
    return settle(STEPS, [curve(i / (len(STEPS) - 1)) for i in range(len(STEPS))])


def test_a_step_function_settles_where_it_steps():
    found = on(lambda t: 5.0 if t < 0.3 else 1.0)
    assert found.verdict == "settled"
    assert abs(found.index - 120) <= 1


def test_an_exponential_settles_at_2_3_time_constants():
    """exp(-t/tau) is within 10 % of its range of the end from t = tau ln 10 on."""
    found = on(lambda t: math.exp(-t / 0.1))
    assert found.step == STEPS[found.index]
    assert found.index / len(STEPS) == pytest.approx(0.1 * math.log(10), abs=0.02)


def test_a_constant_is_settled_from_the_first_step():
    assert on(lambda t: 0.693).step == STEPS[0]
    assert on(lambda t: 0.0).step == STEPS[0]


@pytest.mark.parametrize(
    "curve",
    [
        lambda t: math.sin(2 * math.pi * 5 * t),
        lambda t: t,
        lambda t: -3 * t,
        lambda t: 1.0 if t < 0.9 else 0.0,
    ],
    ids=["oscillation", "drift up", "drift down", "late step"],
)
def test_what_never_comes_to_rest_has_not_settled(curve):
    found = on(curve)
    assert (found.verdict, found.step, found.index) == ("not settled", None, None)


def test_scale_and_offset_do_not_matter():
    def curve(t):
        return math.exp(-t / 0.07) + 0.1 * math.sin(40 * t) * math.exp(-t / 0.05)

    assert on(curve).step == on(lambda t: -1e4 * curve(t) + 3e5).step


def test_a_lone_spike_and_noise_do_not_hide_rest():
    settled_early = 0
    for seed in range(40):
        rng = random.Random(seed)
        found = on(
            lambda t, rng=rng: 50.0 if t == 0 else 1 + math.exp(-t / 0.05) + rng.gauss(0, 0.1)
        )
        settled_early += found.verdict == "settled" and found.index < 0.5 * len(STEPS)
    assert settled_early >= 28


def test_too_few_points_are_said_to_be_so():
    for points in (1, FEWEST_POINTS - 1):
        found = settle(range(points), [1.0] * points)
        assert (found.verdict, found.step) == ("too few points", None)
    assert settle(range(FEWEST_POINTS), [1.0] * FEWEST_POINTS).verdict == "settled"


@pytest.mark.parametrize("length", [1, 2, 5, 9, 40, 157])
def test_running_median_equals_the_plain_one(length):
    rng = random.Random(length)
    values = [rng.choice([rng.random(), 0.5]) for _ in range(length)]
    window = smoothing_window(length)
    reach = window // 2
    plain = [median(values[max(0, i - reach) : i + reach + 1]) for i in range(length)]
    assert running_median(values, window) == pytest.approx(plain)
