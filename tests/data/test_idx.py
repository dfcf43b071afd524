import gzip
import struct

import numpy as np
import pytest

from steadygan.data import DataSettings, open_data
from steadygan.data.sources.idx import parse_idx
from steadygan.errors import UserError

NAMES = {
    "train-images": "train-images-idx3-ubyte",
    "train-labels": "train-labels-idx1-ubyte",
    "t10k-images": "t10k-images-idx3-ubyte",
    "t10k-labels": "t10k-labels-idx1-ubyte",
}


def idx(shape, body):
    return b"\x00\x00\x08" + bytes([len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + body


def contents(side=9):
    """Three training images and two test images, each flat, of 10, 20, ... with label 1, 2, ..."""

    def images(values):
        return idx((len(values), side, side), b"".join(bytes([v]) * side * side for v in values))

    return {
        "train-images": images([10, 20, 30]),
        "train-labels": idx((3,), bytes([1, 2, 3])),
        "t10k-images": images([40, 50]),
        "t10k-labels": idx((2,), bytes([4, 5])),
    }


def write(folder, parts, names=NAMES, pack=lambda data: data, suffix=""):
    folder.mkdir(parents=True, exist_ok=True)
    for stem, data in parts.items():
        (folder / (names[stem] + suffix)).write_bytes(pack(data))
    return folder


def check(data):
    assert data.train.items[:, 0, 0, 0].tolist() == [10, 20, 30]
    assert data.test.items[:, 0, 0, 0].tolist() == [40, 50]
    assert data.train.labels.tolist() == [1, 2, 3]
    assert data.test.labels.tolist() == [4, 5]
    assert data.shape == (1, 9, 9)


def test_plain_gzipped_and_dotted_files_are_one_data_set(tmp_path):
    dotted = {stem: name.replace("-idx", ".idx") for stem, name in NAMES.items()}
    plain = open_data(f"mnist:{write(tmp_path / 'ä b', contents())}")
    zipped = open_data(f"mnist:{write(tmp_path / 'z', contents(), NAMES, gzip.compress, '.gz')}")
    dots = open_data(f"mnist:{write(tmp_path / 'd', contents(), dotted)}")
    for data in (plain, zipped, dots):
        check(data)
    assert plain.fingerprint == zipped.fingerprint == dots.fingerprint


def test_rows_keep_their_place_inside_an_image(tmp_path):
    parts = contents()
    parts["t10k-images"] = idx((2, 9, 9), bytes(range(81)) + bytes(range(100, 181)))
    data = open_data(f"mnist:{write(tmp_path / 'i', parts)}")
    assert (data.test.items[1, 0] == np.arange(100, 181).reshape(9, 9)).all()


def test_class_names_and_a_path_made_absolute(tmp_path, monkeypatch):
    write(tmp_path / "i", contents())
    monkeypatch.chdir(tmp_path)
    data = open_data("fashion-mnist:i")
    assert data.spec == f"fashion-mnist:{tmp_path / 'i'}"
    assert data.class_names[0] == "T-shirt/top"
    assert data.class_names[9] == "Ankle boot"
    assert open_data("mnist:i").class_names == tuple("0123456789")


def test_new_content_in_the_same_place_is_never_served_from_the_old_cache(tmp_path):
    old = open_data(f"mnist:{write(tmp_path / 'i', contents())}")
    parts = contents()
    parts["train-images"] = parts["train-images"][:-1] + b"\xff"
    new = open_data(f"mnist:{write(tmp_path / 'i', parts)}")
    assert new.train.items[2, 0, 8, 8] == 255
    assert new.fingerprint != old.fingerprint


DAMAGE = {
    "one byte short": ("train-images", lambda data: data[:-1], "promises 243 bytes, it has 242"),
    "one byte over": ("train-images", lambda data: data + b"x", "promises 243 bytes, it has 244"),
    "no bytes": ("t10k-labels", lambda data: b"", "0 bytes are less than its header"),
    "cut header": ("t10k-images", lambda data: data[:11], "11 bytes are less than its header"),
    "other type": ("train-labels", lambda data: b"\0\0\x0d" + data[3:], "1-dimensional"),
    "other rank": ("train-images", lambda data: contents()["train-labels"] * 4, "3-dimensional"),
    "counts differ": ("train-labels", lambda data: idx((2,), b"\1\2"), "2 labels for 3 images"),
    "label over 9": ("train-labels", lambda data: data[:-1] + b"\x0a", "label 10 is over 9"),
    "no images": ("train-images", lambda data: idx((0, 9, 9), b""), "no images"),
    "a lie": ("train-images", lambda data: idx((2**32 - 1,) * 3, b""), "promises"),
    "cut gzip": ("train-images", lambda data: gzip.compress(data)[:-9], "gzip does not unpack"),
    "flipped gzip": (
        "train-images",
        lambda data: gzip.compress(data)[:-6] + b"\0" * 6,
        "gzip does not unpack",
    ),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_one_clear_line(name, tmp_path):
    stem, spoil, words = DAMAGE[name]
    parts = contents()
    parts[stem] = spoil(parts[stem])
    folder = write(tmp_path / "i", parts)
    with pytest.raises(UserError, match=words) as caught:
        open_data(f"mnist:{folder}")
    assert str(folder / NAMES[stem]) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_or_folder_is_named(tmp_path):
    parts = contents()
    del parts["t10k-labels"]
    folder = write(tmp_path / "i", parts)
    with pytest.raises(UserError, match=r"no t10k-labels-idx1-ubyte\[.gz\] in"):
        open_data(f"mnist:{folder}")
    with pytest.raises(UserError, match="no such folder"):
        open_data(f"mnist:{tmp_path / 'nowhere'}")


def test_size_and_channels(tmp_path):
    folder = write(tmp_path / "i", contents())
    data = open_data(f"mnist:{folder}", DataSettings(size=16, channels=3))
    assert data.train.items.shape == (3, 3, 16, 16)
    assert (data.train.items[1] == 20).all()
    assert (data.settings.size, data.settings.channels) == (16, 3)
    plain = open_data(f"mnist:{folder}")
    assert plain.fingerprint != data.fingerprint
    with pytest.raises(UserError, match="images of 7 pixels; give size="):
        open_data(f"mnist:{write(tmp_path / 'small', contents(side=7))}")


def test_parse_idx_shares_no_memory_that_can_be_written(tmp_path):
    array = parse_idx(contents()["train-labels"], 1, tmp_path)
    assert array.tolist() == [1, 2, 3]
    assert not array.flags.writeable
