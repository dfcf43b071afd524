"""The verdict on samples, with a classifier whose answers are known."""

import numpy as np
import pytest
import torch

from steadygan.data import Dataset, DataSettings, Split
from steadygan.errors import UserError
from steadygan.features.classifier import (
    Classifier,
    classifier_of,
    corruptions,
    held_out_accuracy,
    softened,
)
from steadygan.metrics.purity import matched_accuracy
from steadygan.metrics.recognisable import judge, share_recognised


class ByBrightness(torch.nn.Module):
    """Two classes by the mean of an image: below -.5 is 0, above .5 is 1, between is neither."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        mean = images.flatten(1).mean(1)
        chosen = torch.where(mean < -0.5, 0, torch.where(mean > 0.5, 1, 2))
        return 20.0 * torch.nn.functional.one_hot(chosen, 3).float()


def flat(values, count=50):
    """`count` flat 12x12 images of each value in [-1, 1]."""
    return torch.cat([torch.full((count, 1, 12, 12), v) for v in values])


def two_classes(train=400, test=100, labels=True):
    """A bright row (class 0) or a bright column (class 1) somewhere on 12x12 pixels."""

    def part(count, seed):
        rng = np.random.default_rng(seed)
        classes = np.arange(count) % 2
        images = rng.integers(0, 10, (count, 1, 12, 12), dtype=np.uint8)
        for image, kind, at in zip(images, classes, rng.integers(1, 11, count), strict=True):
            image[0, (at if kind == 0 else slice(None)), (slice(None) if kind == 0 else at)] = 250
        return Split(images, classes.astype(np.int64) if labels else None)

    return Dataset(
        name="lines", spec="lines", shape=(1, 12, 12), train=part(train, 0), test=part(test, 1),
        class_names=("row", "column") if labels else None, fingerprint=f"lines {labels}",
        quarantine=(), settings=DataSettings(size=12, channels=1),
    )  # fmt: skip


def test_share_counts_sure_images_of_real_classes_only():
    classifier = Classifier(ByBrightness(), 2, 1.0)
    assert share_recognised(classifier, flat([-0.9, 0.9])) == (1.0, 2)
    assert share_recognised(classifier, flat([-0.9, 0.0])) == (0.5, 1)
    assert share_recognised(classifier, flat([0.0])) == (0.0, 0)


def test_an_unsure_classifier_recognises_nothing():
    class Unsure(torch.nn.Module):
        def forward(self, images):
            return torch.zeros(len(images), 3)

    assert share_recognised(Classifier(Unsure(), 2, 1.0), flat([0.9])) == (0.0, 0)


@pytest.mark.parametrize(
    ("values", "shows"), [([-0.9, 0.9], True), ([-0.9, 0.0, 0.0], False), ([0.0], False)]
)
def test_the_verdict_wants_enough_samples(values, shows):
    found = judge(Classifier(ByBrightness(), 2, 1.0), flat(values), two_classes())
    assert found["shows_data"] is shows
    assert found["verdict"] == ("shows known classes" if shows else "shows no known classes")


def test_one_class_of_many_is_no_verdict_for_the_data():
    """Every sample a perfect one of a single class among ten is a collapse, not the data."""

    class AlwaysThree(torch.nn.Module):
        def forward(self, images):
            return 20.0 * torch.nn.functional.one_hot(torch.full((len(images),), 3), 11).float()

    found = judge(Classifier(AlwaysThree(), 10, 1.0), flat([0.0]), two_classes())
    assert (found["share"], found["classes_seen"], found["shows_data"]) == (1.0, 1, False)
    assert found["verdict"] == "shows known classes, of too few classes"


@pytest.mark.parametrize(
    ("classes", "count", "kinds", "seen", "shows"),
    [
        (100, 1000, 100, 100, True),  # ten of each: an even share
        (100, 1000, 49, 49, False),
        (3740, 1000, 800, 800, True),  # of 1,000 samples no more than 1,000 classes can be seen
        (3740, 1000, 400, 400, False),
        (10, 1000, 5, 5, True),
    ],
)
def test_a_class_is_seen_by_its_share_of_an_even_one(classes, count, kinds, seen, shows):
    class ByNumber(torch.nn.Module):
        def forward(self, images):
            chosen = (torch.arange(len(images)) + start[0]) % kinds
            start[0] += len(images)
            return 30.0 * torch.nn.functional.one_hot(chosen, classes + 1).float()

    start = [0]
    images = flat([0.0], count)
    assert share_recognised(Classifier(ByNumber(), classes, 1.0), images) == (1.0, seen)
    start[0] = 0
    found = judge(Classifier(ByNumber(), classes, 1.0), images, two_classes())
    assert found["shows_data"] is shows


def test_a_few_stray_samples_are_no_class():
    class MostlyOne(torch.nn.Module):
        def forward(self, images):
            chosen = (images[:, 0, 0, 0] > 0.5).long()
            return 30.0 * torch.nn.functional.one_hot(chosen, 11).float()

    images = torch.cat([flat([0.0], 991), flat([0.9], 9)])
    assert share_recognised(Classifier(MostlyOne(), 10, 1.0), images) == (1.0, 1)
    images = torch.cat([flat([0.0], 990), flat([0.9], 10)])
    assert share_recognised(Classifier(MostlyOne(), 10, 1.0), images) == (1.0, 2)


def test_corruptions_are_five_kinds_and_softened_keeps_every_other_image():
    images = flat(np.linspace(-1, 1, 10).tolist(), 1)
    generator = torch.Generator().manual_seed(0)
    assert corruptions(images, generator).shape == images.shape
    softer = softened(images, generator)
    assert torch.equal(softer[1::2], images[1::2])
    assert not torch.equal(softer[::2], images[::2])
    assert softer.abs().max() <= 1


def test_matched_accuracy_finds_the_best_matching():
    categories = np.array([0, 0, 1, 1, 2, 2])
    assert matched_accuracy(categories, np.array([2, 2, 0, 0, 1, 1]), 3) == 1.0
    assert matched_accuracy(categories, np.array([2, 2, 0, 0, 0, 0]), 3) == pytest.approx(4 / 6)
    assert matched_accuracy(categories, np.array([3, 3, 3, 3, 3, 3]), 3) == 0.0  # "none"


def test_a_classifier_learns_its_data_and_is_cached(monkeypatch):
    data, said = two_classes(), []
    monkeypatch.setattr("steadygan.features.classifier.IMAGES", 128 * 120)
    first = classifier_of(data, said.append)
    assert first.accuracy > 0.8
    assert len(said) == 1
    monkeypatch.setattr("steadygan.features.classifier.fit", None)  # a second fit would raise
    again = classifier_of(data, said.append)
    assert len(said) == 1
    assert again.accuracy == first.accuracy == held_out_accuracy(again.network, data)


def test_a_damaged_cached_classifier_is_said_and_trained_again(monkeypatch):
    from steadygan.data.cache import cache_root

    monkeypatch.setattr("steadygan.features.classifier.IMAGES", 128 * 20)
    data, said = two_classes(labels=False), []
    assert classifier_of(data, said.append).classes == 1
    for file in (cache_root() / "classifiers").rglob("*.safetensors"):
        raw = bytearray(file.read_bytes())
        raw[len(raw) // 2] ^= 1
        file.write_bytes(raw)
    classifier_of(data, said.append)
    assert "damaged" in said[1]


def test_vectors_have_no_classifier():
    data = two_classes()
    object.__setattr__(data, "shape", (2,))
    with pytest.raises(UserError, match="images, not vectors"):
        classifier_of(data, print)
