import numpy as np
import pytest

from steadygan.data import DataSettings, open_data
from steadygan.data.sources import stacked
from steadygan.errors import UserError


@pytest.fixture
def few(monkeypatch):
    """Fewer triples, so that a test is quick; their draw is the same."""
    monkeypatch.setattr(stacked, "TRAIN", 3000)
    monkeypatch.setattr(stacked, "TEST", 500)


def numbers(split, digits):
    """The triple of each image as a number 0..999, looked up in the digits' own pixels."""
    label = {row.tobytes(): int(k) for row, k in zip(digits.items, digits.labels, strict=True)}
    return np.array([[label[channel.tobytes()] for channel in item] for item in split.items])


def test_channels_are_real_digits_and_held_out_ones_stay_out(few):
    data, digits = open_data("stacked-mnist"), open_data("mnist")
    assert (data.shape, data.class_names) == ((3, 28, 28), None)
    assert (len(data.train), len(data.test)) == (3000, 500)
    for split, source in ((data.train, digits.train), (data.test, digits.test)):
        found = numbers(split, source)  # a KeyError for a channel that is no digit of that part
        for channel in found.T:
            shares = np.bincount(channel, minlength=10) / len(found)
            assert np.abs(shares - np.bincount(source.labels) / len(source)).max() < 0.06
    assert len({tuple(row) for row in numbers(data.train, digits.train)}) > 900


def test_the_draw_is_one_for_good(few):
    data, digits = open_data("stacked-mnist"), open_data("mnist")
    # Golden: a run recorded today must find the same images under any later numpy.
    assert numbers(data.train, digits.train)[:4].tolist() == [
        [0, 7, 4],
        [7, 6, 6],
        [4, 7, 5],
        [6, 9, 9],
    ]


def test_what_a_run_records_opens_it_again(few):
    data = open_data("stacked-mnist")
    assert data.settings.channels == 3
    assert open_data(data.spec, data.settings).fingerprint == data.fingerprint


def test_sizes_and_settings_that_mean_nothing(few):
    plain = open_data("stacked-mnist").test.items[:100].astype(float)
    large = open_data("stacked-mnist", DataSettings(size=32)).test.items[:100].astype(float)
    assert large.shape == (100, 3, 32, 32)
    # Each channel keeps its own ink.
    assert np.abs(large.mean(axis=(2, 3)) - plain.mean(axis=(2, 3))).max() < 3
    with pytest.raises(UserError, match="channels=1: stacked-mnist has a digit in each"):
        open_data("stacked-mnist", DataSettings(channels=1))
    with pytest.raises(UserError, match="no train-images"):
        open_data("stacked-mnist:/nowhere")
