"""R14 to R17 in small counts; `python -m benchmarks.reliability` runs the long ones."""

import pytest

from tests.reliability import archives, pictures

#: Built in a second or more; in the full count.
SLOW = ("250,001 real entries", "10^6 entries", "100 MB of zeros", "60 MB of zeros")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("STEADYGAN_CACHE", str(tmp_path / "cache"))


def test_r14_mutated_images_are_refused_with_a_reason_and_hurt_no_other(tmp_path):
    pictures.mutated_folder(300, tmp_path)


def test_r15_bombs_of_each_format_are_refused_by_their_header(tmp_path):
    pictures.refused_bombs(tmp_path)


def test_r17_hostile_zips(tmp_path):
    names = [name for name in archives.HOSTILE if name not in SLOW]
    assert len(names) >= 30
    archives.hostile(len(names), tmp_path, names=names)
