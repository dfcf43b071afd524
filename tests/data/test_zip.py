"""A zip reads as the folder that it was made of; hostile ones are in tests/reliability."""

import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from steadygan.data import DataSettings, open_data
from steadygan.errors import UserError


def picture(value):
    file = io.BytesIO()
    Image.new("RGB", (10, 10), (value, value, value)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def packed(tmp_path):
    """packed({name: bytes}): a zip of them; its spec."""

    def one(files, method=zipfile.ZIP_DEFLATED):
        with zipfile.ZipFile(tmp_path / "x.zip", "w", method) as archive:
            for name, data in files.items():
                archive.writestr(name, data)
        return f"zip:{tmp_path / 'x.zip'}"

    return one


def values(data):
    rows = np.concatenate([data.train.items, data.test.items])
    return sorted(rows[:, 0, 0, 0].tolist())


def pets(count=10):
    return {
        f"{name}/{number}.png": picture(start + number)
        for name, start in (("cat", 0), ("永 😀", 100))
        for number in range(count)
    }


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip_is_the_folder_that_was_packed(packed, tmp_path, method):
    spec = packed({**pets(), "cat/": b"", "notes.txt": b"x"}, method)
    for name, data in pets().items():
        (tmp_path / "plain" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "plain" / name).write_bytes(data)
    before = sorted(os.listdir(tmp_path))
    data, plain = open_data(spec), open_data(f"folder:{tmp_path / 'plain'}")
    assert data.fingerprint == plain.fingerprint
    assert data.class_names == ("cat", "永 😀")
    assert data.name == "zip"
    assert set(os.listdir(tmp_path)) - set(before) <= {"cache"}  # nothing is unpacked


def test_a_folder_that_holds_everything_is_no_class(packed):
    wrapped = {f"my pictures/v2/{name}": data for name, data in pets().items()}
    assert open_data(packed(wrapped)).class_names == ("cat", "永 😀")
    one = {f"birds/{number}.png": picture(number) for number in range(5)}
    assert open_data(packed(one)).class_names is None


def test_train_and_test_are_the_split(packed):
    files = {f"x/train/{name}": data for name, data in pets().items()}
    files |= {"x/test/cat/a.png": picture(50), "x/test/永 😀/a.png": picture(150)}
    data = open_data(packed(files))
    assert data.class_names == ("cat", "永 😀")
    assert sorted(data.test.items[:, 0, 0, 0].tolist()) == [50, 150]
    assert len(data.train) == 20


def test_what_a_mac_adds_and_hidden_files_are_left_out(packed):
    extra = {"__MACOSX/cat/._1.png": b"?", "cat/.hidden.png": b"?", ".git/x.png": b"?"}
    data = open_data(packed({**pets(), **extra}))
    assert (len(values(data)), data.quarantine) == (20, ())


def test_damage_inside_one_image_is_that_images_own(packed):
    spec = packed(pets(60), zipfile.ZIP_STORED)
    path = Path(spec.removeprefix("zip:"))
    whole = path.read_bytes()
    at = whole.index(b"cat/7.png") + 60
    path.write_bytes(whole[:at] + b"\xff" + whole[at + 1 :])
    data = open_data(spec)
    assert data.quarantine[0]["path"] == "cat/7.png"
    assert "Bad CRC-32" in data.quarantine[0]["reason"]
    assert values(data) == sorted([*set(range(60)) - {7}, *range(100, 160)])


def test_a_changed_zip_is_read_again(packed):
    spec = packed(pets())
    one = open_data(spec).fingerprint
    assert open_data(packed(pets(9))).fingerprint != one


def test_wrong_files(packed, tmp_path):
    for path, words in (
        (tmp_path / "none.zip", "cannot be read: No such file"),
        (tmp_path, "a folder; write it as folder:DIR"),
        ("/dev/zero", "no regular file"),
    ):
        with pytest.raises(UserError, match=words):
            open_data(f"zip:{path}")
    with pytest.raises(UserError, match="lie beside 2 class folders"):
        open_data(packed({**pets(), "loose.png": picture(3)}))
    with pytest.raises(UserError, match="no images in it"):
        open_data(packed({"a.txt": b"x"}))
    bad = packed({**pets(), "cat/x.png": b"?"})
    with pytest.raises(UserError, match=r"1 of 21 images cannot be decoded \(first: cat/x.png"):
        open_data(bad)
    assert len(open_data(bad, DataSettings(allow_bad=True)).quarantine) == 1


def test_a_zip_that_changes_while_it_is_read_is_not_taken(packed, tmp_path, cache):
    spec = packed(pets())

    def change(phase, done, total):
        if phase == "decoding":
            with open(tmp_path / "x.zip", "ab") as file:
                file.write(b"x")

    with pytest.raises(UserError, match="has changed while it was read; run again"):
        open_data(spec, progress=change)
    assert list(cache.iterdir()) == []


def test_a_zip_that_changes_afterwards_changes_nothing_that_is_open(packed, tmp_path):
    data = open_data(packed(pets()))
    before = values(data)
    (tmp_path / "x.zip").write_bytes(b"gone")
    assert values(data) == before


def test_an_encrypted_zip_is_refused(packed):
    spec = packed(pets(), zipfile.ZIP_STORED)
    path = Path(spec.removeprefix("zip:"))
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"is encrypted; unpack it with its password"):
        open_data(spec)


def test_other_files_are_said(packed):
    extra = {"a.heic": b"?", "cat/b.SVG": b"?", "notes.txt": b"?", "more.zip": b"?"}
    data = open_data(packed({**pets(), **extra}), DataSettings(size=8))
    assert data.notes == (
        "left out: 1 .heic, 1 .svg (convert them to PNG), 2 files of other kinds (.txt, .zip)",
    )
