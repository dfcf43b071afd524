import hashlib

import numpy as np
import pytest

from steadygan.data import DataSettings, open_data
from steadygan.data.sources import digits
from steadygan.errors import UserError

# Of the 10,000 x 784 bytes in the order of the file, and of the labels as bytes.
PIXELS = "6915a675d3bbe979d87678289ce992aa996e4b36285ab9e4243e205f807d40c3"
LABELS = "10c91a06e9ff35107b9e74e9451687722729fda66121c40730a9927177257f31"


def both(data):
    items = np.concatenate([data.train.items, data.test.items])
    return items, np.concatenate([data.train.labels, data.test.labels])


def test_the_shipped_digits_are_the_ones_that_were_built():
    data = open_data("mnist")
    items, labels = both(data)
    assert (len(data.train), len(data.test)) == (9_000, 1_000)
    assert items.shape == (10_000, 1, 28, 28)
    assert items.dtype == np.uint8
    assert labels.dtype == np.int64
    assert hashlib.sha256(items.tobytes()).hexdigest() == PIXELS
    assert hashlib.sha256(labels.astype(np.uint8).tobytes()).hexdigest() == LABELS
    assert (items.min(), items.max()) == (0, 255)


def test_each_part_holds_each_digit_in_its_share_and_no_image_twice():
    data = open_data("mnist")
    items, labels = both(data)
    whole = np.bincount(labels)
    assert whole.tolist() == [1001, 1127, 991, 1032, 980, 863, 1014, 1070, 944, 978]
    assert np.abs(np.bincount(data.test.labels) - whole / 10).max() < 1
    assert len({row.tobytes() for row in items}) == 10_000


def test_the_licence_is_beside_the_digits():
    text = (digits.SHIPPED / "ORIGIN.txt").read_text()
    for words in ("The MIT License", "(c) 2015 Juan Cazala", "LeCun", "mnist` 1.1.0"):
        assert words in text


def test_resizing_keeps_the_picture():
    plain = open_data("mnist").test.items[:200].astype(float)
    large = open_data("mnist", DataSettings(size=32)).test.items[:200].astype(float)
    assert large.shape[1:] == (1, 32, 32)
    # The same ink (bicubic overshoot is cut at 0), and its centre in the same place of the frame.
    assert large.mean(axis=(1, 2, 3)) == pytest.approx(plain.mean(axis=(1, 2, 3)), rel=0.05)
    for axis in (2, 3):
        centres = [
            (x.sum(axis=5 - axis)[:, 0] @ (np.arange(x.shape[2]) + 0.5))
            / x.sum(axis=(1, 2, 3))
            / x.shape[2]
            for x in (plain, large)
        ]
        assert centres[0] == pytest.approx(centres[1], abs=0.005)


def test_three_channels_repeat_the_grey():
    plain = open_data("mnist").train.items[:500]
    colour = open_data("mnist", DataSettings(channels=3)).train.items[:500]
    assert colour.shape == (500, 3, 28, 28)
    assert (colour == plain).all()


def test_fashion_mnist_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setattr(digits, "DEBIAN_FASHION", tmp_path / "none")
    with pytest.raises(UserError, match=r"apt-get install dataset-fashion-mnist.*mnist:DIR"):
        open_data("fashion-mnist")


@pytest.mark.skipif(
    not digits.DEBIAN_FASHION.is_dir(), reason="Debian's dataset-fashion-mnist is not installed"
)
def test_the_real_fashion_mnist():
    data = open_data("fashion-mnist")
    assert (len(data.train), len(data.test), data.shape) == (60_000, 10_000, (1, 28, 28))
    assert np.bincount(data.train.labels).tolist() == [6_000] * 10
    assert np.bincount(data.test.labels).tolist() == [1_000] * 10
    # Published mean and deviation of the training part: 0.2860 and 0.3530.
    assert data.train.items.mean() / 255 == pytest.approx(0.2860, abs=1e-4)
    assert data.train.items.std() / 255 == pytest.approx(0.3530, abs=1e-4)
    # The first training image is the well-known ankle boot.
    assert data.class_names[data.train.labels[0]] == "Ankle boot"
