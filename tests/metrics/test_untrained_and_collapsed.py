"""What every measure says of the two generators that are surely bad: one that was never trained
(uniform noise), and one that makes a single real image."""

import math

import numpy as np
import pytest
import torch

from steadygan.data.sources.gaussians import RING_STD, ring_centres
from steadygan.features.extract import extract
from steadygan.metrics.evaluate import evaluate
from steadygan.metrics.inception_score import inception_score
from steadygan.metrics.kernel import squared_mmd
from steadygan.metrics.modes import mode_coverage
from steadygan.metrics.reference import reference_of
from tests.metrics.sets import SIDE, dataset, extractor, lines

COUNT = 300


def silent(text):
    """Says nothing."""


@pytest.fixture(scope="module")
def reference():
    return reference_of(dataset(), extractor(), say=silent)


@pytest.fixture(scope="module")
def noise(reference):
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (COUNT, 1, SIDE, SIDE), dtype=np.uint8)
    return evaluate(images, reference, say=silent)


@pytest.fixture(scope="module")
def collapsed(reference):
    return evaluate(np.repeat(lines(400, 0)[0][3:4], COUNT, 0), reference, say=silent)


@pytest.fixture(scope="module")
def real(reference):
    return evaluate(lines(COUNT, 7)[0], reference, say=silent)


def test_distances_of_both_are_far_above_those_of_real_images(noise, collapsed, real):
    for found in (noise, collapsed):
        assert found["fid"] > 10 * abs(real["fid"])
        assert found["kid"] > 10 * abs(real["kid"])


def test_where_there_are_too_few_images_for_that_the_energy_distance_says_so(reference):
    """Of features with more dimensions than there are images: all three draws are compared alike,
    and the collapsed one by its closed form, 2 E|x - f| - E|x - x'|."""
    few = reference_of(dataset(train=100), extractor(dimension=120), say=silent)
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (100, 1, SIDE, SIDE), dtype=np.uint8)
    drawn = {"noise": images, "one": np.repeat(lines(400, 0)[0][3:4], 100, 0),
             "real": lines(100, 7)[0]}  # fmt: skip
    found = {name: evaluate(each, few, say=silent) for name, each in drawn.items()}
    assert all(each["fid"] is None for each in found.values())
    far = {name: each["energy_distance"] for name, each in found.items()}
    assert far["noise"] > 10 * far["real"]
    assert far["one"] > 10 * far["real"]
    features = few.features.values.double()
    one = extract(few.extractor, drawn["one"][:1]).values.double()
    apart = 2 * torch.cdist(features, one).mean() - torch.cdist(features, features).mean()
    assert far["one"] == pytest.approx(float(apart), rel=1e-4)


def test_where_half_of_the_images_are_too_few_both_are_there_and_real_ones_have_an_energy():
    """Of 200 images in 120 dimensions FID can be taken, but not that of two halves."""
    few = reference_of(dataset(train=200), extractor(dimension=120), say=silent)
    found = evaluate(lines(200, 7)[0], few, say=silent)
    assert found["fid"] > 0
    assert found["real_against_real"]["fid"] is None
    levels = few.energy_of_draws(200, 20)
    others = [extract(few.extractor, lines(200, seed)[0]).values for seed in range(50, 70)]
    fresh = [few.energy_distance(values) for values in others]
    assert np.mean(levels) == pytest.approx(np.mean(fresh), rel=0.2), "halves have twice that"
    assert found["real_against_real"]["energy_distance"] == levels[0]
    assert 0.5 < found["energy_distance"] / np.mean(levels) < 2


def test_the_distance_of_one_image_is_known(reference, collapsed):
    """Its covariance is 0: |m - f|^2 + Tr S. Its kernel within is k(f, f)."""
    features = reference.features.values.double()
    one = features[3]
    expected = (features.mean(0) - one).square().sum() + torch.cov(features.T).trace()
    assert collapsed["fid"] == pytest.approx(float(expected), rel=1e-5)
    mmd = squared_mmd(features, one.repeat(COUNT, 1))
    assert collapsed["kid"] == pytest.approx(mmd, rel=0.05)


def test_neither_covers_the_data(noise, collapsed, real):
    """Recall alone is generous to samples that are spread wider than the data, as Naeem et al. 2020
    (section 2.2) say of it: coverage is not."""
    for key in ("precision", "density", "coverage"):
        assert noise[key] < 0.15 < 0.7 < real[key]
    assert noise["recall"] < real["recall"] - 0.2
    assert (collapsed["precision"], collapsed["recall"]) == (1, 0)
    assert 0 < collapsed["coverage"] < 0.1
    assert collapsed["notes"][0].startswith("precision 1 says nothing, since recall is 0")
    assert noise["notes"] == []


def test_one_answer_scores_1_and_so_do_answers_that_know_nothing(collapsed):
    assert collapsed["inception_score"] == pytest.approx(1, abs=1e-6)
    unsure = torch.full((COUNT, 10), 0.1)
    assert inception_score(unsure)[0] == pytest.approx(1, abs=1e-6)


def test_the_support_of_one_image_is_one(noise, collapsed):
    assert collapsed["birthday"]["support"] == 1
    assert collapsed["birthday"]["duplicates"] == COUNT * (COUNT - 1) // 2
    assert (noise["birthday"]["support"] or math.inf) > 1000


def test_neither_is_said_to_copy(noise, collapsed):
    """One image has one neighbour, and noise few: too little to judge by, or no excess."""
    assert (collapsed["memorisation"]["nearest_images"], collapsed["memorisation"]["copied"]) == (
        1, None,
    )  # fmt: skip
    assert collapsed["memorisation"]["to_train"] == 0
    assert abs(noise["memorisation"]["copied"] or 0) < 0.3
    assert noise["memorisation"]["to_train"] > 1


def test_noise_is_sharper_than_the_data_and_the_difference_says_so(noise, collapsed, real):
    assert noise["sharpness"] > 1.2 * real["sharpness"]
    assert noise["sharpness_difference"] > 10 * real["sharpness_difference"]
    assert collapsed["sharpness"] == pytest.approx(real["sharpness"], rel=0.2)


def test_modes_of_points():
    centres = ring_centres()
    one = mode_coverage(np.repeat(centres[:1], 500, 0), centres, RING_STD)
    assert (one["modes"], one["high_quality"]) == (1, 1.0)
    assert one["mode_entropy"] == pytest.approx(0, abs=1e-9)
    square = np.random.default_rng(0).uniform(-1.25, 1.25, (500, 2)) * np.abs(centres).max()
    spread = mode_coverage(square, centres, RING_STD)
    area = 8 * math.pi * (3 * RING_STD) ** 2 / (2.5 * np.abs(centres).max()) ** 2
    assert spread["high_quality"] == pytest.approx(area, abs=4 * math.sqrt(area / 500))
