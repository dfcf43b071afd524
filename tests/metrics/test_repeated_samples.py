"""Samples of few distinct images: what subsets and splits of them say.

Of N samples drawn evenly from k images every measure has a known value. The images come in the
order of an unsorted draw, sorted, and reversed: none may matter.
"""

import numpy as np
import pytest
import torch

from steadygan.metrics import evaluate as evaluation
from steadygan.metrics import memorisation
from steadygan.metrics.evaluate import evaluate, ordered
from steadygan.metrics.inception_score import inception_score
from steadygan.metrics.kernel import kernel_distance
from steadygan.metrics.prdc import BOUND, prdc
from steadygan.metrics.reference import reference_of
from tests.metrics.sets import dataset, extractor, lines

FEW = [10, 100, 1000]


def silent(text):
    """Says nothing."""


def drawn(kinds, count, seed=0):
    """Which of `kinds` images each of `count` samples is."""
    return np.random.default_rng(seed).integers(0, kinds, count)


@pytest.mark.parametrize("kinds", FEW)
def test_equal_images_are_spread_over_the_order(kinds):
    """Each tenth of 10,000 samples holds what a tenth of them at random would."""
    images = np.random.default_rng(1).integers(0, 256, (kinds, 1, 2, 2), dtype=np.uint8)
    rows = drawn(kinds, 10_000)
    found = ordered(images[rows])
    assert sorted(found) == list(range(10_000))
    expected = kinds * (1 - (1 - 1 / kinds) ** 1000)
    for part in np.array_split(rows[found], 10):
        assert len(np.unique(part)) == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("kinds", FEW)
def test_the_inception_score_of_repeated_images_is_that_of_their_classes(kinds):
    """Sure answers, k images evenly of ten classes: 10, but for what ten splits of 1,000 leave."""
    images = np.random.default_rng(1).integers(0, 256, (kinds, 1, 2, 2), dtype=np.uint8)
    rows = drawn(kinds, 10_000)
    answers = torch.eye(10)[torch.from_numpy(rows % 10)]
    score, deviation = inception_score(answers[ordered(images[rows])])
    assert score == pytest.approx(9.95, abs=0.03)
    assert deviation < 0.03


@pytest.fixture(scope="module")
def reference():
    return reference_of(dataset(train=1500), extractor(classes=True), say=silent)


@pytest.fixture
def quick(monkeypatch):
    """Half of 2,000 samples are looked at for neighbours and copies; three subsets for KID."""
    monkeypatch.setattr(evaluation, "NEIGHBOURS", 1000)
    monkeypatch.setattr(memorisation, "COUNT", 1000)
    monkeypatch.setattr(evaluation, "kernel_distance", lambda x, y, _: kernel_distance(x, y, 3))


@pytest.mark.parametrize("kinds", FEW)
def test_every_measure_of_repeated_images_is_that_of_their_draw(reference, quick, kinds):
    """2,000 samples of k training images."""
    images, rows = lines(1500, 0)[0], drawn(kinds, 2000)
    found = evaluate(images[rows], reference, say=silent)
    assert found["birthday"]["support"] == pytest.approx(kinds, rel=0.15)
    seen = kinds * (1 - (1 - 1 / kinds) ** 1000)
    assert found["memorisation"]["nearest_images"] == pytest.approx(seen, rel=0.03)
    whole, _ = inception_score(reference.features.rows(rows).probabilities, 1)
    assert found["inception_score"] == pytest.approx(whole, rel=0.02)
    features = reference.features.rows(rows).values
    half = features[np.random.default_rng(2).permutation(2000)[:1000]]
    fair = prdc(reference.features.rows(reference.some(1000)).values, half, bound=BOUND)
    for key in ("recall", "coverage"):
        assert found[key] == pytest.approx(fair[key], abs=0.05)


def test_sorted_samples_are_judged_as_mixed_ones(reference, quick):
    images, rows = lines(1500, 0)[0], drawn(100, 2000)
    mixed = evaluate(images[rows], reference, say=silent)
    in_order = evaluate(images[np.sort(rows)], reference, say=silent)
    for key in ("fid", "kid", "inception_score", "precision", "recall", "density", "coverage"):
        assert in_order[key] == pytest.approx(mixed[key], rel=1e-5, abs=1e-6)
    for key in ("support", "duplicates", "threshold"):
        assert in_order["birthday"][key] == mixed["birthday"][key]
    assert in_order["memorisation"] == mixed["memorisation"]
