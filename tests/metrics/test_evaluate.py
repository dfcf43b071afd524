"""The whole result: what is in it, what it does not depend on, its real side, its cache."""

import json
import math

import numpy as np
import pytest
import torch

from steadygan.data.dataset import DataSettings
from steadygan.data.sources.gaussians import RING_STD, open_ring, ring_centres
from steadygan.errors import UserError
from steadygan.features import extract as features
from steadygan.features import feature_classifier
from steadygan.features.extract import checked_name, extract, find_features
from steadygan.metrics.evaluate import evaluate, evaluate_points, ordered, quality
from steadygan.metrics.frechet import frechet_distance, moments
from steadygan.metrics.names import precision_doubt
from steadygan.metrics.prdc import BOUND, prdc, real_balls
from steadygan.metrics.reference import Reference, distinct, evenly, reference_of
from steadygan.metrics.words import distance_name, in_words
from tests.metrics.sets import dataset, extractor, lines


def silent(text):
    """Says nothing."""


@pytest.fixture(scope="module")
def reference():
    return reference_of(dataset(), extractor(classes=True), say=silent)


@pytest.fixture(scope="module")
def samples():
    return lines(150, 7)[0]


@pytest.fixture(scope="module")
def result(reference, samples):
    return evaluate(samples, reference, say=silent)


# ---- the result ----------------------------------------------------------------------------


def test_the_result_holds_every_measure_and_what_it_depends_on(result):
    assert result.keys() >= {
        "fid", "kid", "inception_score", "precision", "recall", "density", "coverage", "sharpness",
        "features", "count", "feature_hash", "feature_accuracy", "feature_dimension", "resize",
        "reference", "sharpness_difference", "real_against_real", "memorisation", "birthday",
        "nearest",
        "classes", "data_fingerprint", "settings",
    }  # fmt: skip
    assert result["count"] == 150
    assert result["reference"] == {"split": "train", "count": 400}
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_the_numbers_are_those_of_the_single_measures(reference, samples, result):
    from steadygan.metrics.sharpness import sharpness

    found = extract(extractor(), samples).values
    real = extract(extractor(), reference.data.train.items).values
    expected = frechet_distance(moments(real), moments(found))
    assert result["fid"] == pytest.approx(expected, rel=1e-6)
    fair = prdc(real[evenly(400, 150)], found, bound=BOUND)
    assert {key: result[key] for key in fair} == pytest.approx(fair, abs=1e-9)
    published = prdc(real[evenly(400, 150)], found)
    assert {key: result[f"{key}_published"] for key in fair} == pytest.approx(published, abs=1e-9)
    mean, real_mean = sharpness(samples).mean(), sharpness(reference.data.train.items).mean()
    assert result["sharpness"] == pytest.approx(float(mean), rel=1e-9)
    difference = abs(float(mean - real_mean))
    assert result["sharpness_difference"] == pytest.approx(difference, rel=1e-9)


def test_the_order_of_samples_changes_nothing(reference, samples, result):
    mixed = np.random.default_rng(0).permutation(len(samples))
    again = evaluate(samples[mixed], reference, say=silent)
    pairs = [
        [sorted(int(mixed[row]) for row in pair[:2]) for pair in again["birthday"].pop("pairs")],
        [sorted(pair[:2]) for pair in result["birthday"]["pairs"]],
    ]
    assert pairs[0] == pairs[1]
    same = {key: value for key, value in result["birthday"].items() if key != "pairs"}
    near, now = result["nearest"], again.pop("nearest")
    closest = [[int(mixed[row]), image, far] for row, image, far in now["closest"]]
    assert sorted(closest) == sorted(near["closest"])
    assert [row for row, *_ in now["first"]] == list(range(10))
    wanted = {key: value for key, value in result.items() if key != "nearest"}
    assert again == {**wanted, "birthday": same}


def test_the_nearest_real_images_are_of_the_samples_as_they_came(reference, samples, result):
    far = extract(extractor(), samples).values.double()
    real = extract(extractor(), reference.data.train.items).values.double()
    for row, image, distance in result["nearest"]["first"] + result["nearest"]["closest"]:
        mine = (far[row] - real).norm(dim=1)
        assert distance == pytest.approx(float(mine.min()), rel=1e-4, abs=1e-4)
        assert distance == pytest.approx(float(mine[image]), rel=1e-4, abs=1e-4)


def test_pairs_are_rows_of_the_samples_as_they_came(reference, samples, result):
    far = extract(extractor(), samples).values.double()
    for a, b, distance in result["birthday"]["pairs"]:
        assert float((far[a] - far[b]).norm()) == pytest.approx(distance, rel=1e-4, abs=1e-4)


def test_the_size_of_batches_changes_nothing(reference, samples, result, monkeypatch):
    monkeypatch.setitem(features.BATCHES, "projected", 7)
    again = evaluate(samples, reference, say=silent)
    for key in ("fid", "kid", "inception_score", "precision", "recall", "density", "coverage"):
        assert again[key] == pytest.approx(result[key], rel=1e-5, abs=1e-6)


def test_equal_images_are_put_in_order_by_their_pixels():
    images, _ = lines(20, 0)
    twice = np.concatenate([images, images[:5]])
    mixed = np.random.default_rng(1).permutation(len(twice))
    assert (twice[ordered(twice)] == twice[mixed][ordered(twice[mixed])]).all()


def test_real_samples_are_better_than_noise_by_every_measure(reference, result):
    noise = np.random.default_rng(0).integers(0, 256, (150, 1, 12, 12), dtype=np.uint8)
    worse = evaluate(noise, reference, say=silent)
    for key in ("fid", "kid", "sharpness_difference"):
        assert worse[key] > 3 * result[key]
    assert worse["density"] < result["density"]
    assert worse["coverage"] < result["coverage"]


def test_precision_without_recall_is_said_to_say_nothing(reference):
    """One training image: precise by definition, and a note in the JSON and on the terminal."""
    one = evaluate(np.repeat(reference.data.train.items[3:4], 60, 0), reference, say=silent)
    assert (one["precision"], one["recall"]) == (1.0, 0.0)
    (note,) = one["notes"]
    assert note.startswith("precision 1 says nothing, since recall is 0")
    assert f"note: {note}" in in_words(one)
    good = evaluate(lines(60, 7)[0], reference, say=silent)
    assert good["notes"] == []
    assert precision_doubt({"precision": 0.4, "recall": 0.1, "coverage": 0.0}).startswith(
        "precision 0.4 says nothing, since coverage is 0"
    )
    assert precision_doubt({"precision": 0.0, "recall": 0.0, "coverage": 0.0}) == ""
    assert precision_doubt({"precision": 0.4}) == ""


def test_as_many_samples_as_real_images_are_compared(samples):
    """Else each real ball would have several times the chances, and coverage rise by that."""
    real = reference_of(dataset(train=60), extractor(), say=silent)
    found = extract(extractor(), samples).values
    assert len(found) > len(real)
    fair = prdc(real.features.values, found[evenly(len(found), len(real))], bound=BOUND)
    assert real.prdc(found, silent)[0] == pytest.approx(fair, abs=1e-9)


def test_radii_kept_under_another_bound_are_not_used(reference, samples, monkeypatch):
    import steadygan.metrics.reference as real_side

    made = []
    monkeypatch.setattr(real_side, "real_balls", lambda x: made.append(1) or real_balls(x))
    reference.prdc(extract(extractor(), samples).values, silent)
    known = len(made)
    monkeypatch.setattr(real_side, "BOUND", 3.0)
    reference.prdc(extract(extractor(), samples).values, silent)
    assert len(made) == known + 1


def test_too_few_samples_have_no_fid_but_its_reason_and_kid(samples):
    wide = reference_of(dataset(), extractor(dimension=190), say=silent)
    found = evaluate(samples, wide, say=silent)
    assert found["fid"] is None
    assert "150 samples do not fill 190 feature dimensions" in found["notes"][0]
    assert math.isfinite(found["kid"])
    assert "note: no FID: 150 samples" in in_words(found)
    enough = evaluate(np.concatenate([samples, lines(100, 8)[0]]), wide, say=silent)
    assert enough["fid"] > 0
    assert enough["notes"] == []


def test_too_few_real_images_have_no_fid_either(samples):
    few = reference_of(dataset(train=100), extractor(dimension=120), say=silent)
    found = evaluate(samples, few, say=silent)
    assert found["fid"] is None
    assert "100 real images do not fill 120" in found["notes"][0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s[:49], "49 samples: wants 50"),
        (lambda s: s[:, :, :10], r"\[1, 10, 12\], the images of lines uint8 \[1, 12, 12\]"),
        (lambda s: s.astype(np.float32), "float32"),
    ],
)
def test_samples_of_another_kind_are_refused(change, said, reference, samples):
    with pytest.raises(UserError, match=said):
        evaluate(change(samples), reference, say=silent)


def test_the_choice_of_sharpness_is_used_and_named(reference, samples):
    found = evaluate(samples, reference, sharpness_kind="brenner", say=silent)
    assert found["settings"]["sharpness"] == "brenner"
    assert found["sharpness"] > 1000
    with pytest.raises(UserError, match="did you mean 'brenner'"):
        evaluate(samples, reference, sharpness_kind="brener", say=silent)


def test_classes_are_counted_only_by_a_network_that_knows_them(samples, result):
    assert result["classes"]["classes"] == 2
    assert sum(result["classes"]["shares"].values()) == pytest.approx(1)
    other = reference_of(dataset(), extractor(), say=silent)
    assert "classes" not in evaluate(samples, other, say=silent)


def test_the_flat_numbers_can_be_had_alone(reference, samples, result):
    found = quality(samples, extract(extractor(), samples), reference, subsets=5)
    assert found["fid"] == pytest.approx(result["fid"], rel=1e-6)
    assert all(isinstance(value, float) for value in found.values())


def test_words_name_the_distance_after_its_features(result):
    assert distance_name("FID", "inception") == "FID"
    said = in_words(result)
    for word in ("FID-projected", "KID-projected", "accuracy 50.00%", "real against real",
                 result["feature_hash"][:12], "against 400 training images of lines"):  # fmt: skip
        assert word in said


def test_stacked_digits_are_counted_in_triples(monkeypatch):
    """Three digits of the shipped set as channels; a quick classifier reads most of them."""
    from dataclasses import replace

    from steadygan.data import open_data

    monkeypatch.setattr(feature_classifier, "IMAGES", 128 * 80)
    digits = open_data("mnist", DataSettings(size=12))
    rows = np.random.default_rng(0).integers(0, 9000, (200, 3))
    triples = digits.train.items[rows][:, :, 0]
    data = replace(dataset(channels=3, labels=False), name="stacked-mnist")
    assert checked_name("auto", data) == "classifier"
    own = reference_of(data, find_features("auto", data, say=silent), say=silent)
    found = evaluate(triples, own, say=silent)
    assert (found["features"], found["feature_dimension"]) == ("classifier", 384)
    assert found["digit_accuracy"] > 0.85
    labels = digits.train.labels[rows]
    exact = len(np.unique(labels, axis=0))
    assert abs(found["modes"] - exact) < 0.2 * exact
    assert found["modes_in_data"] == 1000
    assert found["reverse_kl"] > math.log(1000 / 200) - 1e-9
    other = reference_of(data, replace(extractor(channels=3), accuracy=None), say=silent)
    counted = evaluate(triples, other, say=silent)
    for key in ("modes", "reverse_kl", "digit_accuracy"):
        assert counted[key] == found[key]
    one = evaluate(np.repeat(triples[:1], 60, 0), own, say=silent)
    assert (one["modes"], one["reverse_kl"]) == (1, pytest.approx(math.log(1000)))


# ---- points --------------------------------------------------------------------------------


def test_points_are_judged_by_their_modes_beside_real_ones():
    ring = open_ring(None, DataSettings(), None)
    found = evaluate_points(ring_centres().repeat(20, 0), ring)
    assert (found["modes"], found["high_quality"], found["count"]) == (8, 1.0, 160)
    assert found["real"]["modes"] == 8
    assert found["real"]["high_quality"] == pytest.approx(1 - math.exp(-4.5), abs=0.03)
    assert "fid" not in found
    assert "of 8" in in_words(found)
    far = evaluate_points(ring_centres().repeat(20, 0) + 10 * RING_STD, ring)
    assert far["modes"] == 0


# ---- the real side -------------------------------------------------------------------------


def test_the_score_of_real_images_does_not_hang_on_their_order():
    """Sure answers of a set that is sorted by class, as sets often are."""
    answers = torch.nn.functional.one_hot(torch.arange(400) // 40, 10).float()
    real = Reference(dataset(), "train", None, np.arange(400), features.Features(answers, answers))
    score, deviation = real.inception_score(400)
    assert 8 < score < 10
    assert deviation < 0.5


def test_the_real_side_is_made_once_and_a_stale_one_is_never_used():
    data = dataset(train=120)
    tool = extractor(seed=11)

    def seen(data=data, tool=tool, **more):
        before = tool.network.seen
        made = reference_of(data, tool, say=silent, **more)
        return tool.network.seen - before, made

    assert seen()[0] == 120
    count, again = seen()
    assert count == 0
    assert torch.equal(again.features.values, extract(tool, data.train.items).values)
    assert seen(split="test")[0] == 200
    assert seen(most=50)[0] == 50
    assert seen(data=dataset(train=121))[0] == 121  # another fingerprint
    assert seen(tool=extractor(seed=12))[0] == 120  # other weights


def test_a_damaged_real_side_is_made_again():
    from steadygan.data.cache import cache_root

    data, tool, said = dataset(train=130), extractor(seed=13), []
    reference_of(data, tool, say=silent)
    for path in (cache_root() / "real-features").rglob("*.safetensors"):
        raw = bytearray(path.read_bytes())
        raw[len(raw) // 2] ^= 1
        path.write_bytes(raw)
    before = tool.network.seen
    reference_of(data, tool, say=said.append)
    assert tool.network.seen - before == 130
    assert "damaged" in said[0]


def test_rows_are_spread_evenly_and_held_out_images_are_the_test_part():
    made = reference_of(dataset(), extractor(seed=14), most=9, split="test", say=silent)
    assert made.rows.tolist() == evenly(200, 9).tolist()
    assert made.rows[[0, -1]].tolist() == [0, 199]
    assert (made.images(np.array([0, 8])) == made.data.test.items[[0, 199]]).all()
    assert made.labels().tolist() == made.data.test.labels[made.rows].tolist()
    with pytest.raises(UserError, match="did you mean 'train'"):
        reference_of(dataset(), extractor(), split="trian", say=silent)


def test_equal_images_count_once():
    images, _ = lines(6, 0)
    twice = images[[0, 1, 0, 2, 1]]
    values = torch.arange(5.0)[:, None]
    assert distinct(twice, values)[:, 0].tolist() == [0, 1, 3]


def reference_from(values):
    found = features.Features(values, torch.ones(len(values), 1))
    tool = extractor(dimension=values.shape[1])
    return Reference(dataset(), "train", tool, np.arange(len(values)), found)


def normal(count, seed, dimension=6):
    return torch.randn(count, dimension, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("every", "count"), [(2000, 300), (800, 800), (500, 2000)])
def test_real_against_real_is_what_fresh_real_samples_get(every, count):
    """The bias at this count and reference, also where the reference is too small to spare as
    many images: against the mean over fresh draws from the same source."""
    biases, fresh = [], []
    for seed in range(40):
        reference = reference_from(normal(every, seed))
        biases.append(reference.against_itself(count)["fid"])
        fresh.append(frechet_distance(reference.moments, moments(normal(count, seed + 100))))
    assert np.mean(biases) == pytest.approx(np.mean(fresh), rel=0.15)


def test_real_against_real_is_precise_and_covers():
    found = reference_from(normal(2000, 0, 2)).against_itself(900)
    assert found["of"] == found["neighbours"] == 900
    assert found["density"] == pytest.approx(1, abs=0.1)
    assert found["coverage"] == pytest.approx(1 - 1 / 2**5, abs=0.02)


def test_draws_of_real_images_spread_as_fresh_ones_do():
    """Their standard deviation is that of distances of fresh samples to one reference."""
    reference, seen = reference_from(normal(4000, 0)), []
    found = reference.fid_of_draws(300, 40, lambda done, total: seen.append((done, total)))
    assert found[0] == reference.against_itself(300)["fid"]
    fresh = [frechet_distance(reference.moments, moments(normal(300, s))) for s in range(1, 41)]
    assert np.std(found) == pytest.approx(np.std(fresh), rel=0.35)
    assert seen == [(done, 40) for done in range(1, 41)]


def test_too_few_real_images_have_no_bias():
    assert reference_from(normal(11, 0)).against_itself(100)["fid"] is None
    assert reference_from(normal(11, 0)).fid_of_draws(100, 3) is None
