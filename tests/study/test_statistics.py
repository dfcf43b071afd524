"""Intervals and differences over seeds, against numbers worked out by hand and scipy."""

import numpy as np
import pytest
from scipy import stats

from steadygan.study.statistics import (
    DRAWS,
    Spread,
    chance,
    difference,
    exchange_p,
    fewest_seeds,
    least_p,
    paired_test,
    power_said,
    sign_flip_p,
    spread,
)


def by_seed(*values):
    return dict(enumerate(values))


def test_equal_values_have_no_spread_however_they_round():
    assert spread([12.8] * 3) == Spread(3, 12.8, 0.0, 12.8, 12.8)  # their mean is 12.800...002


def test_a_spread_is_mean_sample_deviation_and_interval():
    found = spread([1.0, 2.0, 6.0])
    assert (found.n, found.mean, found.sd) == (3, 3.0, np.sqrt(7.0))
    oracle = stats.ttest_1samp([1.0, 2.0, 6.0], 0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((oracle.low, oracle.high))
    same = spread([2.0, 2.0, 2.0])
    assert (same.sd, same.low, same.high) == (0.0, 2.0, 2.0)
    assert spread([2.0]) == Spread(1, 2.0)
    assert spread([]) is None
    assert spread([float("nan"), 2.0, float("inf")]) == Spread(1, 2.0)
    assert spread([1.0, float("nan"), 3.0]).n == 2


@pytest.mark.parametrize("n", [2, 3, 5])
def test_an_interval_of_few_seeds_covers_the_mean_as_often_as_it_says(n):
    """Of 4,000 sets of n normal values; the percentile bootstrap covers .77 at 3, .85 at 5."""
    drawn = np.random.default_rng(0).standard_normal((4000, n))
    inside = [found.low <= 0 <= found.high for found in map(spread, drawn.tolist())]
    assert np.mean(inside) == pytest.approx(0.95, abs=0.011), "3.2 standard errors"


def test_signs_are_flipped_in_every_way():
    assert sign_flip_p(np.array([1.0, 1.0, 1.0])) == 2 / 8
    assert sign_flip_p(np.array([3.0, 1.0, -1.0])) == 6 / 8, "all but 3-1-1 and -3+1+1"
    assert sign_flip_p(np.ones(6)) == 2 / 64
    assert sign_flip_p(np.array([1.0, -1.0])) == 1.0


def test_what_is_as_far_but_for_rounding_counts_as_far():
    assert sign_flip_p(np.array([0.1, 0.2, 0.1, 0.7])) == 2 / 16
    assert exchange_p(np.array([0.4, -1.2, 0.0]), np.array([0.7, -1.3, 0.4])) == 16 / 20


def test_flipped_signs_agree_with_scipy():
    differences = np.random.default_rng(1).normal(0.5, 1, 10)
    found = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=np.inf
    )
    assert sign_flip_p(differences) == pytest.approx(found.pvalue)


def test_many_seeds_are_drawn_near_to_exact():
    differences = np.random.default_rng(2).normal(0.4, 1, 30)
    t = stats.ttest_1samp(differences, 0).pvalue
    assert sign_flip_p(differences) == pytest.approx(t, abs=0.02)
    assert sign_flip_p(differences) == sign_flip_p(differences)
    assert sign_flip_p(np.ones(30)) == 1 / (DRAWS + 1), "what was found is among them: never 0"


def test_exchanged_labels_of_many_seeds_are_drawn_near_to_exact():
    random = np.random.default_rng(6)
    a, b = random.normal(0.5, 1, 20), random.normal(0, 1, 18)
    t = stats.ttest_ind(a, b, equal_var=False).pvalue
    assert exchange_p(a, b) == pytest.approx(t, abs=0.02)
    assert exchange_p(a, b) == exchange_p(a, b)
    assert exchange_p(a + 100, b) == 1 / (DRAWS + 1)


def test_exchanged_labels_agree_with_scipy():
    random = np.random.default_rng(3)
    a, b = random.normal(0, 1, 6), random.normal(1, 1, 5)
    found = stats.permutation_test(
        (a, b), lambda x, y: abs(np.mean(x) - np.mean(y)), n_resamples=np.inf, alternative="greater"
    )
    assert exchange_p(a, b) == pytest.approx(found.pvalue)
    assert exchange_p(np.array([1.0, 2.0]), np.array([10.0, 11.0])) == 2 / 6


def test_a_paired_difference_is_that_of_the_seeds_both_have():
    found = difference("a", {0: 5.0, 1: 7.0, 2: 9.0}, "b", {1: 4.0, 2: 5.0, 3: 99.0})
    assert (found.n, found.paired, found.mean) == (2, True, 3.5)
    oracle = stats.ttest_1samp([3.0, 4.0], 0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((oracle.low, oracle.high))


def test_without_common_seeds_it_is_welchs():
    a, b = {0: 1.0, 1: 2.0, 2: 3.0}, {5: 10.0, 6: 14.0, 7: 12.0}
    found = difference("a", a, "b", b)
    oracle = stats.ttest_ind(list(a.values()), list(b.values()), equal_var=False)
    interval = oracle.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert (found.paired, found.agreeing, found.p) == (False, None, 2 / 20)
    assert difference("a", {0: 1.0}, "b", {1: 2.0, 2: 3.0}) is None
    assert difference("a", {1: 2.0, 2: 3.0}, "b", {0: 1.0}) is None
    assert difference("a", a, "b", {5: 10.0, 6: 14.0}).n == 2, "as many as the smaller side has"


def test_three_a_side_without_common_seeds_can_be_likely_either_way():
    low, high = {0: 1.0, 1: 2.0, 2: 3.0}, {5: 10.0, 6: 14.0, 7: 12.0}
    for one, other in ((low, high), (high, low)):
        found = difference("a", one, "b", other)
        assert (found.p, found.verdict) == (2 / 20, "likely")
    assert difference("a", low, "b", {5: 2.0, 6: 20.0, 7: 3.5}).verdict == "open"


def test_three_seeds_can_be_likely_and_never_hold():
    """The least p of three is 1/4, however far apart they are."""
    found = difference("a", by_seed(100.0, 101.0, 102.0), "b", by_seed(1.0, 1.0, 1.0))
    assert (found.p, found.agreeing, found.verdict) == (0.25, 1.0, "likely")
    below = difference("a", by_seed(1.0, 1.0, 1.0), "b", by_seed(100.0, 101.0, 102.0))
    assert (below.mean, below.p, below.verdict) == (-100.0, 0.25, "likely")
    far = difference("a", by_seed(1.0, 2.0, 30.0), "b", by_seed(0.0, 0.0, 0.0))
    assert far.verdict == "open", "the signs agree, but the interval holds 0"
    mixed = difference("a", by_seed(5.0, 5.0, -1.0), "b", by_seed(0.0, 0.0, 0.0))
    assert (mixed.agreeing, mixed.verdict) == (2 / 3, "open")


def test_six_seeds_that_agree_hold():
    found = difference("a", by_seed(*[2.0, 3.0, 2.5, 9.0, 1.0, 0.5]), "b", by_seed(*[0.0] * 6))
    assert (found.p, found.verdict) == (2 / 64, "holds")
    five = difference("a", by_seed(*[2.0] * 5), "b", by_seed(*[0.0] * 5))
    assert five.verdict == "likely"


def test_a_p_of_one_in_twenty_holds():
    """6 of the 120 ways to choose three of these ten are as far apart."""
    b = dict(enumerate([5.0, 6.0, 8.0, 9.0, 10.0, 11.0, 12.0], 3))
    found = difference("a", by_seed(1.0, 4.0, 7.0), "b", b)
    assert (found.p, found.verdict) == (0.05, "holds")


def test_what_seeds_can_show_is_what_the_test_can_give():
    """Against the verdict on methods as far apart as can be."""
    for seeds in range(2, 9):
        found = difference("a", by_seed(*[9.0] * seeds), "b", by_seed(*[1.0] * seeds))
        assert least_p(seeds) == found.p == 2 / 2**seeds
        said = power_said(seeds)
        assert f"With {seeds} seeds the least p there can be is {found.p:.2g}" in said
        assert ("no difference can hold" in said) == (found.verdict != "holds")
    assert fewest_seeds() == 6
    assert "One seed says nothing" in power_said(1)
    assert "--seeds 6 are the fewest" in power_said(1)


def test_three_and_four_a_side_without_pairs_reach_a_tenth_and_a_thirty_fifth():
    for each, wanted in ((3, 2 / 20), (4, 2 / 70)):
        assert exchange_p(np.arange(each) + 100.0, np.arange(float(each))) == wanted


def test_up_to_seventeen_seeds_all_signs_are_tried():
    apart = np.arange(1.0, 17.0)
    assert sign_flip_p(apart) == 2 / 2**16, "drawn ones could not be so few"
    assert "exact" in paired_test(17)
    assert "10,000 drawn" in paired_test(18)


def test_pairs_that_pass_by_chance_are_counted_by_what_the_test_can_give():
    assert [chance(seeds) for seeds in (3, 5, 6)] == [0.0, 0.0, 2 / 64]
    assert chance(16) == pytest.approx(0.05, abs=1e-4)


def test_equal_methods_do_not_differ():
    found = difference("a", by_seed(1.0, 2.0, 3.0), "b", by_seed(1.0, 2.0, 3.0))
    assert (found.mean, found.p, found.verdict) == (0.0, 1.0, "open")
    apart = difference("a", {0: 1.0, 1: 1.0}, "b", {5: 1.0, 6: 1.0})
    assert (apart.mean, apart.p, apart.verdict) == (0.0, 1.0, "open")


def test_a_difference_that_is_none_holds_in_about_one_of_twenty():
    random = np.random.default_rng(4)
    held = [
        difference("a", by_seed(*random.normal(size=8)), "b", by_seed(*random.normal(size=8)))
        for _ in range(400)
    ]
    share = np.mean([found.verdict == "holds" for found in held])
    assert share == pytest.approx(0.05, abs=0.025)


def test_one_seed_that_says_otherwise_leaves_it_open():
    """An interval of five may leave out 0 though one of them lies on the other side."""
    found = difference("a", by_seed(1.0, 1.0, 1.0, 1.0, -0.01), "b", by_seed(*[0.0] * 5))
    assert found.low > 0
    assert (found.p, found.agreeing, found.verdict) == (4 / 32, 0.8, "open")
