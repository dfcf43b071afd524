"""Signals of a probe: an untrained and a collapsed generator first, then each against a formula."""

import numpy as np
import pytest
import torch

from steadygan.diagnosis import probe as probes
from steadygan.diagnosis.features import Scale, raw_features
from steadygan.diagnosis.movement import Movement
from steadygan.diagnosis.probe import Reference, auc, signals_of_samples
from tests.diagnosis import loops

REAL, HELD, MORE = (loops.images(128, seed=seed) for seed in (0, 1, 2))
REFERENCE = Reference(REAL, HELD)


def test_noise_and_one_repeated_image_are_far_and_real_samples_are_not():
    untrained = torch.rand(128, 1, 8, 8, generator=torch.Generator().manual_seed(5)) * 2 - 1
    noise, collapsed, real = (
        signals_of_samples(samples, REFERENCE)
        for samples in (untrained, REAL[:1].expand(128, -1, -1, -1), MORE)
    )
    assert noise["way"] == pytest.approx(1.0, abs=0.1)
    assert collapsed["way"] > 0.3
    assert abs(real["way"]) < 0.25
    assert collapsed["diversity"] == 0.0
    assert collapsed["duplicates"] == 1.0
    assert real["diversity"] == pytest.approx(1.0, abs=0.15)
    assert max(real["duplicates"], real["copies"]) < 0.3
    assert real["rank"] == pytest.approx(1.0, abs=0.3)
    assert collapsed["rank"] < 0.1


def test_copies_of_training_samples_are_seen_as_copies_and_not_as_a_collapse():
    found = signals_of_samples(REAL, REFERENCE)
    assert found["copies"] == 1.0
    assert found["duplicates"] < 0.3


def test_half_of_the_modes_lie_between_all_and_one():
    half = signals_of_samples(MORE[:4].repeat(32, 1, 1, 1), REFERENCE)
    assert half["duplicates"] == 1.0
    assert 0.3 < half["diversity"] < 1.2


def test_the_area_under_the_curve_is_that_of_scipy():
    from scipy.stats import mannwhitneyu

    random = np.random.default_rng(0)
    high, low = np.round(random.normal(0.3, 1, 60), 1), np.round(random.normal(0, 1, 40), 1)
    wanted = mannwhitneyu(high, low).statistic / (60 * 40)  # ties count half
    assert auc(torch.tensor(high), torch.tensor(low)) == pytest.approx(wanted, abs=1e-6)
    assert auc(torch.ones(3), torch.zeros(4)) == 1.0
    assert auc(torch.ones(3), torch.ones(4)) == 0.5


def test_scores_that_are_low_for_real_samples_are_turned():
    scores = {"real": torch.tensor([0.0, 1.0]), "fake": torch.tensor([2.0, 3.0])}
    assert probes.signals_of_scores(scores, real_is_high=False)["auc"] == 1.0
    assert probes.signals_of_scores(scores, real_is_high=True)["auc"] == 0.0


def test_movement_is_in_shares_of_the_start_and_a_step():
    weights = [torch.ones(3, 4), torch.zeros(4)]
    movement = Movement()
    assert movement.signals(weights, 0) == {}
    weights[0] += 0.5
    found = movement.signals(weights, 10)
    assert found["travel"] == pytest.approx(0.5)
    assert found["move"] == pytest.approx(0.05)
    assert found["norm"] == pytest.approx(1.5)
    weights[0] -= 0.5
    found = movement.signals(weights, 10)
    assert (found["travel"], found["turn"]) == (0.0, pytest.approx(-1.0))
    assert movement.signals(weights, 10)["move"] == 0.0


def test_a_checkerboard_shows_at_the_highest_frequency_and_noise_in_the_fine_ones():
    board = torch.ones(1, 1, 8, 8)
    board[..., ::2, 1::2] = board[..., 1::2, ::2] = -1
    found = probes.ranges((MORE + 0.5 * board).clamp(-1, 1), MORE)
    assert found["nyquist"] > 0.5
    assert abs(probes.ranges(REAL, MORE)["nyquist"]) < 0.2
    noisy = MORE + 0.5 * torch.randn(MORE.shape, generator=torch.Generator().manual_seed(0))
    assert probes.ranges(noisy, MORE)["fine"] > 0.3
    assert abs(probes.ranges(REAL, MORE)["fine"]) < 0.2


def test_saturation_counts_beyond_that_of_the_data():
    binary = torch.sign(torch.randn(64, 1, 8, 8, generator=torch.Generator().manual_seed(0)))
    assert probes.ranges(binary, binary)["saturated"] == 0.0
    assert probes.ranges(binary, binary / 2)["saturated"] == 1.0


def test_blank_and_repeated_data_are_counted():
    half = REAL.clone()
    half[::2] = 0.0
    reference = probes.Reference(REAL, MORE)
    found = probes.signals_of_data(half, reference)
    assert found["real_blank"] == 0.5
    assert probes.signals_of_data(REAL, reference)["real_duplicates"] == 0.0
    assert probes.signals_of_data(REAL[:8].repeat(16, 1, 1, 1), reference)["real_duplicates"] == 1.0


def test_points_with_equal_coordinates_are_not_blank():
    points = torch.rand(64, 1, generator=torch.Generator().manual_seed(0)).expand(-1, 2)
    assert "real_blank" not in probes.signals_of_data(points, probes.Reference(points, points))


def test_codes_that_do_nothing_have_no_effect():
    base, other = REAL[:32], MORE[:32]
    assert probes.effect(base, base, other) == 0.0
    assert probes.effect(base, other, other) == pytest.approx(1.0)
    assert probes.effect(base, other, base) == 1000.0, "noise that does nothing"


def test_features_are_the_same_for_good_and_leave_constant_ones_out():
    # Golden: probes of today are compared with those of a run of last year.
    ramp = torch.linspace(-1, 1, 64).reshape(1, 1, 8, 8)
    assert raw_features(ramp)[0, :3].tolist() == pytest.approx(GOLDEN, abs=1e-4)
    scale = Scale(torch.zeros(8, 1, 8, 8) + torch.linspace(-1, 1, 8)[:, None, None, None])
    assert scale(REAL).isfinite().all()
    points = torch.randn(50, 2, generator=torch.Generator().manual_seed(0))
    assert torch.equal(raw_features(points), points)


GOLDEN = [0.337997, 0.407960, -0.071087]


# ---- classes, pairs, reconstructions, borders ----------------------------------------------


def blobs(labels, seed, size=8):
    """Images that are a bright square at a place of their class, with noise."""
    random = torch.Generator().manual_seed(seed)
    images = 0.1 * torch.randn(len(labels), 1, size, size, generator=random)
    for image, label in zip(images, labels.tolist(), strict=True):
        top, left = 4 * (label // 2), 4 * (label % 2)
        image[0, top : top + 4, left : left + 4] += 1.0
    return images


LABELS = torch.arange(128) % 4


def of_classes(fake, labels=LABELS):
    reference = probes.Reference(blobs(LABELS, 0), blobs(LABELS, 1), labels)
    return probes.signals_of_samples(fake, reference)


def test_classes_are_counted_by_the_nearest_real_sample():
    whole = of_classes(blobs(LABELS, 2))
    assert whole["classes"] == pytest.approx(1.0, abs=0.02)
    assert whole["class_spread"] == pytest.approx(1.0, abs=0.1)
    assert of_classes(blobs(LABELS % 2, 2))["classes"] == pytest.approx(0.5, abs=0.02)
    one_each = blobs(torch.arange(4), 3).repeat(32, 1, 1, 1)
    collapsed = of_classes(one_each)
    assert collapsed["classes"] == pytest.approx(1.0, abs=0.02)
    assert collapsed["class_spread"] < 0.05
    assert of_classes(torch.zeros(128, 1, 8, 8))["classes"] == pytest.approx(0.25, abs=0.02)


def test_without_labels_or_with_too_many_classes_nothing_is_said_of_them():
    assert "classes" not in of_classes(blobs(LABELS, 2), None)
    assert "classes" not in of_classes(blobs(LABELS, 2), torch.arange(128) % 100)


def test_twins_are_the_nearest_pairs_each_once():
    reference = probes.Reference(REAL, MORE)
    fake = REAL.clone()
    fake[40], fake[7] = fake[3] + 1e-3, fake[90] + 1e-4
    one, other, real = probes.twins(fake, reference, 8)
    pairs = [frozenset(pair) for pair in zip(one.tolist(), other.tolist(), strict=True)]
    assert pairs[:2] == [frozenset({7, 90}), frozenset({3, 40})]
    assert len(set(pairs)) == 8
    assert real.tolist()[:2] == [90, 3], "the fakes are the real ones but for two"


def test_a_reconstruction_is_as_far_as_another_image_where_it_says_nothing():
    reference = probes.Reference(REAL, MORE)
    assert probes.reconstruction(REAL.clone(), reference) == pytest.approx(0.0, abs=1e-5)
    assert probes.reconstruction(REAL.roll(1, 0), reference) == pytest.approx(1.0, abs=0.1)
    half = probes.reconstruction(REAL + 0.5 * (MORE - REAL), reference)
    assert 0.1 < half < 0.9


def test_the_spread_of_the_border_is_that_of_the_outermost_pixels():
    framed = REAL.clone()
    framed[:, :, [0, -1]] = framed[..., [0, -1]] = -1.0
    found = probes.ranges(REAL, framed)
    assert found["border_real"] < 1e-6
    assert found["border_fake"] > 0.3
    inner = framed.clone()
    inner[:, :, 2, 2] += torch.randn(128, 1)
    assert probes.ranges(inner, framed)["border_fake"] < 1e-6


def test_a_batch_of_one_class_is_far_from_the_mean_of_all_and_a_random_one_is_not():
    torch.manual_seed(0)
    reference = probes.Reference(blobs(LABELS, 0), blobs(LABELS, 1))
    random = [probes.signals_of_batch(blobs(torch.randint(4, (32,)), n), reference)["batch_shift"]
              for n in range(5, 25)]  # fmt: skip
    assert sum(random) / 20 == pytest.approx(1.0, abs=0.45)
    assert max(random) < 3.0
    one = probes.signals_of_batch(blobs(torch.full((32,), 2), 3), reference)
    assert one["batch_shift"] > 8.0


def test_training_data_of_one_kind_are_less_diverse_than_held_out_ones():
    one = probes.Reference(blobs(LABELS * 0, 0), blobs(LABELS, 1))
    every = probes.Reference(blobs(LABELS, 0), blobs(LABELS, 1))
    assert probes.signals_of_data(one.real, one)["real_diversity"] < 0.7
    assert probes.signals_of_data(every.real, every)["real_diversity"] == pytest.approx(1, abs=0.1)
