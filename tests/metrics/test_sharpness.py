"""Sharpness: closed forms, scaling, blur, borders, colour."""

import numpy as np
import pytest
from scipy import ndimage

from steadygan.errors import UserError
from steadygan.metrics.sharpness import KINDS, sharpness

LINEAR = ("sobel", "gradient", "smd")
SQUARE = ("tenengrad", "laplacian", "brenner", "eog", "smd2", "variance")


def noise(count=3, channels=1, side=16, seed=0, high=120):
    shape = (count, channels, side, side)
    return np.random.default_rng(seed).integers(0, high, shape, dtype=np.uint8)


def edge(height=255, side=10, at=5):
    """A vertical step from 0 to `height`."""
    image = np.zeros((1, 1, side, side), np.uint8)
    image[..., at:] = height
    return image


def test_every_kind_is_tested_for_its_scaling():
    assert set(LINEAR) | set(SQUARE) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_constant_image_has_none(kind):
    assert sharpness(np.full((2, 3, 8, 8), 77, np.uint8), kind).tolist() == pytest.approx([0, 0])


@pytest.mark.parametrize("kind", KINDS)
def test_scaling_the_values_scales_it(kind):
    images = noise()
    power = 1 if kind in LINEAR else 2
    twice = sharpness(2 * images, kind) / sharpness(images, kind)
    assert twice.tolist() == pytest.approx([2.0**power] * 3, rel=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_blur_lowers_it(kind):
    images = noise(count=1, side=24)
    values = [images, *(ndimage.gaussian_filter(images, (0, 0, s, s)) for s in (0.7, 1.5))]
    found = [sharpness(each, kind).item() for each in values]
    assert found[0] > found[1] > found[2]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("sobel", 2 * 4 * 255 / 8),  # two of eight columns, each with 4 times the step
        ("tenengrad", 2 * (4 * 255) ** 2 / 8),
        ("laplacian", 2 * 255**2 / 8),  # +h and -h, mean 0
        ("brenner", 2 * 255**2 / 8),
        ("gradient", 255 / 2**0.5 / 9),
        ("smd", 255 / 9),
        ("smd2", 0),
        ("eog", 255**2 / 9),
        ("variance", 255**2 / 4),
    ],
)
def test_a_step_edge_has_its_closed_form(kind, value):
    assert sharpness(edge(), kind).item() == pytest.approx(value, rel=1e-9)


def test_sobel_is_scipys_inside_the_image():
    images = noise(side=12)
    for image, found in zip(images[:, 0].astype(float), sharpness(images), strict=True):
        both = ndimage.sobel(image, 0), ndimage.sobel(image, 1)
        assert found.item() == pytest.approx(np.hypot(*both)[1:-1, 1:-1].mean(), rel=1e-9)


def test_turning_an_image_changes_nothing_and_a_frame_makes_no_edge():
    images = noise()
    turned = np.rot90(images, axes=(2, 3)).copy()
    assert sharpness(turned).numpy() == pytest.approx(sharpness(images).numpy(), rel=1e-9)
    bright = np.full((1, 1, 8, 8), 255, np.uint8)
    assert sharpness(bright).item() == 0


def test_colour_is_turned_to_grey_by_luma():
    plane = edge()
    for channel, weight in enumerate((0.299, 0.587, 0.114)):
        colour = np.zeros((1, 3, 10, 10), np.uint8)
        colour[:, channel] = plane[:, 0]
        expected = weight * sharpness(plane).item()
        assert sharpness(colour).item() == pytest.approx(expected, rel=1e-9)
    grey = np.repeat(plane, 3, axis=1)
    assert sharpness(grey).item() == pytest.approx(sharpness(plane).item(), rel=1e-9)


def test_blocks_change_nothing(monkeypatch):
    images = noise(count=11)
    whole = sharpness(images)
    monkeypatch.setattr("steadygan.metrics.sharpness.BLOCK", 4)
    assert sharpness(images).tolist() == whole.tolist()


def test_an_unknown_kind_names_the_nearest():
    with pytest.raises(UserError, match="did you mean 'sobel'"):
        sharpness(noise(), "sobol")
