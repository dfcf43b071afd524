"""Every test decodes into a cache of its own."""

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """The cache folder that this test's data go to."""
    monkeypatch.setenv("STEADYGAN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def paint(tmp_path):
    """paint("cat/1.png", 7): a flat 10x10 RGB file under tmp_path/pictures; its root's path."""
    root = tmp_path / "pictures"
    root.mkdir()

    def one(name, value, **save):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.full((10, 10, 3), value, dtype=np.uint8)
        Image.fromarray(pixels).save(path, **save)
        return path

    one.root = root
    return one
