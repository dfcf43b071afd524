"""What a few seeds can say: means with intervals, and differences that hold or do not.

Everything is exact or drawn with a fixed seed: the same runs give the same table. Intervals are
Student's t, which assumes normal values. The percentile bootstrap is no alternative at so few
seeds: for normal values its 95 % interval covers the mean in .77 of cases for 3 and .85 for 5.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations, count
from typing import Any

import numpy as np
from scipy.special import stdtrit  # the t quantile, many times faster than stats.t.ppf

#: Draws of a test with too many arrangements to try all: of more than 17 paired seeds.
DRAWS = 10_000
MOST_EXACT = 2**17
LEVEL = 0.95


@dataclass(frozen=True)
class Spread:
    """A number over seeds: its mean, sample standard deviation and 95 % interval of the mean.

    `low`, `high`: Student's t with n - 1 degrees of freedom; None with one seed.
    """

    n: int
    mean: float
    sd: float | None = None
    low: float | None = None
    high: float | None = None

    def facts(self) -> dict[str, Any]:
        return asdict(self)


def spread(values: Sequence[float]) -> Spread | None:
    """The spread of finite values, one a seed; None for none."""
    known = [float(value) for value in values if math.isfinite(value)]
    if not known:
        return None
    mean = float(np.mean(known))
    if len(known) == 1:
        return Spread(1, mean)
    if min(known) == max(known):  # rounding of the mean would give a deviation of 1e-15
        return Spread(len(known), known[0], 0.0, known[0], known[0])
    sd = float(np.std(known, ddof=1))
    half = half_width(len(known) - 1, sd / math.sqrt(len(known)))
    return Spread(len(known), mean, sd, mean - half, mean + half)


def half_width(freedom: float, standard_error: float) -> float:
    """Half of the 95 % interval of a mean by Student's t with `freedom` degrees of freedom."""
    return float(stdtrit(freedom, 0.5 + LEVEL / 2)) * standard_error


@dataclass(frozen=True)
class Difference:
    """What `one` minus `other` is over seeds, and whether it holds.

    `mean` with its 95 % interval by Student's t (which assumes normal differences), `p` of an exact
    two-sided permutation test: signs flipped where runs are `paired` by seed, labels exchanged
    where not. Its null hypothesis is that both methods' values have the same distribution (of any
    shape), not that their means are equal: a small p may also come from unequal spreads.
    `agreeing`: the share of pairs with the sign of the mean.

    `verdict`: "holds" where p <= .05; "likely" where the interval excludes 0 and every pair agrees,
    as much as fewer than six paired seeds (or four a side) can ever show; else "open".
    """

    one: str
    other: str
    n: int
    paired: bool
    mean: float
    low: float | None
    high: float | None
    p: float
    agreeing: float | None
    verdict: str

    def facts(self) -> dict[str, Any]:
        return asdict(self)


def difference(
    one: str, a: Mapping[int, float], other: str, b: Mapping[int, float]
) -> Difference | None:
    """The difference of two methods' values by seed: paired over the seeds that both have, where
    these are two or more; None where there are too few."""
    common = sorted(set(a) & set(b))
    if len(common) > 1:
        return paired(one, other, np.array([a[seed] - b[seed] for seed in common]))
    if len(a) > 1 and len(b) > 1:
        return unpaired(one, other, np.array(list(a.values())), np.array(list(b.values())))
    return None


def paired(one: str, other: str, differences: np.ndarray) -> Difference:
    n, mean = len(differences), float(differences.mean())
    half = half_width(n - 1, float(differences.std(ddof=1)) / math.sqrt(n))
    p = sign_flip_p(differences)
    agreeing = float(np.mean(np.sign(differences) == np.sign(mean)))
    agrees = agreeing == 1.0 and mean != 0
    verdict = _verdict(p, agrees and (mean - half > 0 or mean + half < 0))
    return Difference(one, other, n, True, mean, mean - half, mean + half, p, agreeing, verdict)


def unpaired(one: str, other: str, a: np.ndarray, b: np.ndarray) -> Difference:
    """By Welch's interval and an exchange of labels."""
    mean = float(a.mean() - b.mean())
    of_a, of_b = a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)
    if of_a + of_b > 0:
        free = (of_a + of_b) ** 2 / (of_a**2 / (len(a) - 1) + of_b**2 / (len(b) - 1))
        half = half_width(float(free), math.sqrt(of_a + of_b))
    else:
        half = 0.0
    p = exchange_p(a, b)
    verdict = _verdict(p, mean - half > 0 or mean + half < 0)
    n = min(len(a), len(b))
    return Difference(one, other, n, False, mean, mean - half, mean + half, p, None, verdict)


def _verdict(p: float, likely: bool) -> str:
    if p <= 1 - LEVEL + 1e-12:
        return "holds"
    return "likely" if likely else "open"


def least_p(seeds: int) -> float:
    """The smallest p that the paired test can give for so many seeds (2 or more), however far apart
    two methods are: 2 of the 2^n choices of signs."""
    return sign_flip_p(np.ones(seeds))


def fewest_seeds() -> int:
    """How many seeds a difference between two methods needs to hold, at the least."""
    return next(n for n in count(2) if least_p(n) <= 1 - LEVEL)


def chance(seeds: int) -> float:
    """How often the paired test over so many seeds calls a difference of equal methods one that
    holds: the largest p up to .05 that it can give, in steps of 2 / 2^n; 0 for fewer than six."""
    least = 2.0 ** (1 - seeds)
    return least * math.floor((1 - LEVEL + 1e-12) / least)


def paired_test(seeds: int) -> str:
    """The paired test over so many seeds, in words."""
    if 2**seeds <= MOST_EXACT:
        return "an exact test (signs flipped seed by seed)"
    return f"a test of {DRAWS:,} drawn choices of signs, one a seed,"


def power_said(seeds: int) -> str:
    """What so many paired seeds can show of a difference between two methods, in a sentence."""
    fewest = fewest_seeds()
    if seeds < 2:
        return (
            "One seed says nothing of differences: --seeds 3 can make one likely, "
            f"--seeds {fewest} are the fewest with which one can hold."
        )
    least = f"With {seeds} seeds the least p there can be is {least_p(seeds):.2g}"
    if seeds < fewest:
        return (
            f"{least}: no difference can hold (p <= .05), only be likely; {fewest} seeds are the "
            "fewest that can show more."
        )
    return f"{least}: a difference can hold (p <= .05)."


def sign_flip_p(differences: np.ndarray) -> float:
    """The share of all 2^n choices of signs whose mean is at least as far from 0 as the observed
    one; of 10,000 drawn ones (and it) for many seeds."""
    n = len(differences)
    if 2**n <= MOST_EXACT:
        signs = np.array(np.meshgrid(*[[-1, 1]] * n)).reshape(n, -1).T
    else:
        drawn = np.random.default_rng(0).choice([-1, 1], (DRAWS, n))
        signs = np.concatenate([np.ones((1, n)), drawn])
    return _as_far(signs @ differences / n, float(differences.mean()))


def exchange_p(a: np.ndarray, b: np.ndarray) -> float:
    """The share of all ways to divide the values between two sides of these sizes whose difference
    of means is at least as far from 0 as the observed one; of 10,000 drawn ones for many."""
    both, n = np.concatenate([a, b]), len(a)
    if math.comb(len(both), n) <= MOST_EXACT:
        chosen = np.array(list(combinations(range(len(both)), n)))
    else:
        random = np.random.default_rng(0)
        drawn = [random.permutation(len(both))[:n] for _ in range(DRAWS)]
        chosen = np.array([np.arange(n), *drawn])
    of_a = both[chosen].sum(1)
    found = of_a / n - (both.sum() - of_a) / len(b)
    return _as_far(found, float(a.mean() - b.mean()))


def _as_far(found: np.ndarray, observed: float) -> float:
    slack = 1e-9 * max(1.0, abs(observed))
    return float(np.mean(np.abs(found) >= abs(observed) - slack))
