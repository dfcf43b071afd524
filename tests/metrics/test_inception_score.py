"""Inception Score: its two ends, its formula, and no NaN."""

import numpy as np
import pytest
import torch

from steadygan.metrics.inception_score import inception_score


def random_probabilities(count=60, classes=7, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return (3 * torch.randn(count, classes, generator=generator)).softmax(1)


def test_equal_answers_score_one():
    same = random_probabilities(1).expand(50, -1)
    assert inception_score(same) == (pytest.approx(1, abs=1e-6), pytest.approx(0, abs=1e-6))


@pytest.mark.parametrize("classes", [2, 10, 1008])
def test_sure_answers_spread_evenly_score_the_number_of_classes(classes):
    sure = torch.eye(classes).repeat(3, 1)
    assert inception_score(sure, splits=3)[0] == pytest.approx(classes, rel=1e-9)


def test_it_is_its_formula():
    p = random_probabilities().double().numpy()
    parts = [p[:20], p[20:40], p[40:]]
    scores = [
        np.exp(np.mean([(row * np.log(row / part.mean(0))).sum() for row in part]))
        for part in parts
    ]
    expected = pytest.approx((np.mean(scores), np.std(scores)), rel=1e-6)
    assert inception_score(torch.from_numpy(p), splits=3) == expected


def test_one_split_is_blind_to_order():
    p = random_probabilities()
    assert inception_score(p.flip(0), 1)[0] == pytest.approx(inception_score(p, 1)[0], rel=1e-9)


def test_it_lies_between_one_and_the_number_of_classes():
    for seed in range(5):
        assert 1 <= inception_score(random_probabilities(seed=seed), 1)[0] <= 7


def test_confident_logits_give_no_nan():
    logits = torch.tensor([[500.0, -500.0], [-500.0, 500.0]]).repeat(10, 1)
    assert inception_score(logits.softmax(1), 1)[0] == pytest.approx(2, rel=1e-9)


def test_fewer_images_than_splits_make_as_many_splits():
    assert inception_score(random_probabilities(3)) == (1.0, 0.0)
