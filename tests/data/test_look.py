"""What prepared images would gain from, and which lie far from all others."""

import numpy as np
import pytest

from steadygan.data.build.look import SHOWN, empty_margin, suggestions, unusual


def blobs(count=40, size=32, margin=0, channels=3, seed=0):
    """Noise of many colours in a frame of white, `margin` pixels on each side."""
    random = np.random.default_rng(seed)
    items = np.full((count, channels, size, size), 255, np.uint8)
    inner = (count, channels, size - 2 * margin, size - 2 * margin)
    items[:, :, margin : size - margin, margin : size - margin] = random.integers(0, 200, inner)
    return items


def flags(items):
    return [each.flag for each in suggestions(items)]


def test_pictures_that_fill_their_square_are_left_alone():
    assert flags(blobs(margin=1)) == []


def test_wide_margins_are_told_with_their_width():
    assert empty_margin(blobs(1, margin=6)[0]) == pytest.approx(12 / 32)
    (found,) = suggestions(blobs(margin=6))
    assert (found.flag, "38% of their side" in found.why) == ("--trim", True)


def test_a_shift_is_no_margin_on_both_sides_but_a_small_thing_in_a_corner_is():
    image = np.full((1, 32, 32), 255, np.uint8)
    image[:, 2:8, 20:30] = 0
    assert empty_margin(image) == pytest.approx(1 - 10 / 32)
    assert empty_margin(np.full((1, 32, 32), 9, np.uint8)) == 0


def test_grey_pictures_in_three_channels_are_told_and_one_of_colour_in_fifty_is_enough():
    grey = np.repeat(blobs(60, margin=1, channels=1), 3, axis=1)
    assert flags(grey) == ["--grey"]
    grey[:2, 0] = 0
    assert flags(grey) == []
    assert flags(blobs(60, margin=1, channels=1)) == []


def test_near_duplicates_are_counted():
    items = blobs(margin=1)
    items[7], items[8] = items[3], items[3]
    (found,) = suggestions(items)
    assert (found.flag, found.why) == ("--dedupe", "2 of 40 images nearly repeat another one")


def test_what_lies_far_from_all_others_is_unusual_the_farthest_first():
    random = np.random.default_rng(0)
    features = random.standard_normal((200, 8))
    assert unusual(features) == []
    features[11] += 30
    features[90] -= 60
    assert unusual(features) == [90, 11]
    # A small group is no accident: each has others near it.
    features[100:110] = 100 + 0.1 * random.standard_normal((10, 8))
    assert unusual(features) == [90, 11]


def test_only_so_many_are_shown_and_a_handful_of_pictures_has_none():
    features = np.zeros((300, 4))
    features[:, 0] = np.arange(300)
    features[::10, 1] = 1000 * np.arange(1, 31)
    assert len(unusual(features)) == SHOWN
    assert unusual(np.arange(6.0)[:, None]) == []
