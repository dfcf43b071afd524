import numpy as np
import pytest

from steadygan.data import open_data


@pytest.mark.parametrize(("name", "modes", "std"), [("ring", 8, 0.01), ("grid", 25, 0.05)])
def test_each_mode_has_its_centre_and_deviation(name, modes, std):
    data = open_data(name)
    assert (len(data.train), len(data.test), data.shape) == (50_000, 10_000, (2,))
    assert data.train.items.dtype == np.float32
    assert data.train.labels.dtype == np.int64
    centres = []
    for mode in range(modes):
        points = data.train.items[data.train.labels == mode]
        assert len(points) == pytest.approx(50_000 / modes, rel=0.1)
        assert points.std(axis=0) == pytest.approx([std, std], rel=0.06)
        centres.append(points.mean(axis=0))
    centres = np.array(centres)
    if name == "ring":
        assert np.hypot(*centres.T) == pytest.approx(np.ones(8), abs=1e-3)
        angles = np.degrees(np.arctan2(centres[:, 1], centres[:, 0])) % 360
        assert np.diff(np.sort((angles + 1) % 360)) == pytest.approx(np.full(7, 45.0), abs=0.1)
    else:
        want = {(x, y) for x in (-4, -2, 0, 2, 4) for y in (-4, -2, 0, 2, 4)}
        assert {tuple(np.rint(centre).astype(int).tolist()) for centre in centres} == want
        assert np.abs(centres - np.rint(centres)).max() < 0.01


def test_the_points_are_fixed_and_read_only():
    data, again = open_data("ring"), open_data("ring")
    assert data.fingerprint == again.fingerprint != open_data("grid").fingerprint
    assert (data.test.items == again.test.items).all()
    # Golden, to float32 rounding: the points of a recorded run never change.
    assert data.train.labels[:6].tolist() == [4, 7, 5, 0, 3, 3]
    assert data.train.items[0] == pytest.approx([-0.999791, 0.01626], abs=1e-6)
    with pytest.raises(ValueError, match="read-only"):
        data.train.items[0] = 0
