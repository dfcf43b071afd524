"""The classifiers of the shipped digits: of today's code, whole, used and never trained."""

import pytest

from steadygan.data import DataSettings, open_data
from steadygan.features import cached, classifier, feature_classifier
from steadygan.features.extract import find_features

KINDS = [(classifier, classifier.held_out_accuracy),
         (feature_classifier, feature_classifier.accuracy_of)]  # fmt: skip


@pytest.fixture
def untrained(monkeypatch):
    """Training a classifier of any kind raises `AssertionError`; so does a message."""

    def refuse(*args):
        raise AssertionError(f"not shipped: {args}")

    for module, _ in KINDS:
        monkeypatch.setattr(module, "fit", refuse)
    return refuse


def test_nobody_trains_a_classifier_of_the_shipped_digits(untrained):
    digits = open_data("mnist")
    judge = classifier.classifier_of(digits, untrained)
    measured = classifier.held_out_accuracy(judge.network, digits)
    assert judge.accuracy == pytest.approx(measured, abs=0.0015)  # an image of 1,000 may tip
    assert measured > 0.97
    network, accuracy = feature_classifier.feature_classifier_of(digits, untrained)
    measured = feature_classifier.accuracy_of(network, digits)
    assert accuracy == pytest.approx(measured, abs=0.0015)
    assert measured > 0.98


def test_the_features_of_the_shipped_digits_are_the_same_everywhere(untrained):
    found = find_features("auto", open_data("mnist"), say=untrained)
    assert found.hash == ("585582013d116edbc99fccc7549648e68c0124f55291b5cf82c09b63dc13762c")


def test_other_settings_have_classifiers_of_their_own(untrained):
    digits = open_data("mnist", DataSettings(channels=3))
    for make in (classifier.classifier_of, feature_classifier.feature_classifier_of):
        with pytest.raises(AssertionError, match="not shipped"):
            make(digits, lambda text: None)


def test_a_damaged_shipped_file_is_said_and_not_used(monkeypatch, tmp_path):
    digits = open_data("mnist")
    whole = (cached.SHIPPED / "classifiers.safetensors").read_bytes()
    middle = len(whole) // 2
    damaged = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    (tmp_path / "classifiers.safetensors").write_bytes(damaged)
    monkeypatch.setattr(cached, "SHIPPED", tmp_path)
    monkeypatch.setenv("STEADYGAN_CACHE", str(tmp_path / "cache"))
    said = []
    made = cached.cached(
        "classifiers", classifier.key_of(digits), said.append, lambda: ({}, {"a": 1})
    )
    assert made == ({}, {"a": 1})
    assert len(said) == 1
    assert "do not match its sha256" in said[0]
