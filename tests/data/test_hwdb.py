import os
import struct

import numpy as np
import pytest

from steadygan.data import DataSettings, open_data
from steadygan.data.sources.hwdb import character, fitted, records
from steadygan.errors import UserError


def record(name, ink, size=None, code=None):
    """A record of a .gnt file, byte by byte."""
    height, width = ink.shape
    code = (name.encode("gbk") + b"\0")[:2] if code is None else code
    size = 10 + width * height if size is None else size
    return struct.pack("<I", size) + code + struct.pack("<HH", width, height) + ink.tobytes()


def ink(value, width=5, height=7):
    pixels = np.full((height, width), 255, np.uint8)
    pixels[1:-1, 1:-1] = value
    return pixels


@pytest.fixture
def folder(tmp_path):
    """Twelve writers of 永, 我 and A, in two folders; writer n's ink is 10 n."""
    root = tmp_path / "HWDB1.0"
    for number in range(12):
        path = root / ("trn" if number < 8 else "tst") / f"{number:03}-f.gnt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join(record(name, ink(10 * number)) for name in "永我A"))
    return root


def test_codes():
    assert character(b"\xd3\xc0") == "永"
    assert character("啊".encode("gbk")) == "啊"
    assert character(b"A\0") == "A"
    for code in (b"\xff\xff", b"\0\0", b"\x20\0", b"\x80\0", b"\xa1\xa1", b"AB", b"\xd3\x00"):
        assert character(code) is None


def test_characters_are_fit_with_their_aspect():
    tall = np.zeros((40, 10), np.uint8)
    made = fitted(tall, 28)
    dark = np.argwhere(made < 128)
    assert (dark.min(0).tolist(), dark.max(0).tolist()) == ([2, 11], [25, 16])
    assert set(np.unique(made)) == {0, 255}
    assert fitted(np.zeros((1, 500), np.uint8), 28).min() == 0  # as thin as a pixel, not gone
    assert fitted(tall, 64).shape == (64, 64)


def test_a_folder_of_writers(folder):
    data = open_data(f"hwdb:{folder}")
    assert data.class_names == ("A", "我", "永")
    assert (data.shape, len(data.train), len(data.test)) == ((1, 28, 28), 33, 3)
    assert not data.quarantine
    assert data.writer_names == (
        *(f"trn/{n:03}-f.gnt" for n in range(4)), *(f"trn/{n:03}-f.gnt" for n in range(5, 8)),
        *(f"tst/{n:03}-f.gnt" for n in range(8, 12)), "trn/004-f.gnt",
    )  # fmt: skip
    items = np.concatenate([data.train.items, data.test.items])
    for item, label, writer in zip(
        items, [*data.train.labels, *data.test.labels], data.writers, strict=True
    ):
        number = int(data.writer_names[writer][4:7])
        assert (item[0] == fitted(ink(10 * number), 28)).all()
        assert data.class_names[label] in "永我A"
    assert data.train.labels[:3].tolist() == [2, 1, 0]


def test_settings(folder):
    data = open_data(f"hwdb:{folder}", DataSettings(size=16, channels=3, holdout=0.5))
    assert data.train.items.shape == (18, 3, 16, 16)
    assert set(data.writers[:18]).isdisjoint(data.writers[18:])


def good(count=1, value=0):
    return b"".join(record("永", ink(value)) for _ in range(count))


@pytest.mark.parametrize(
    ("data", "kept", "reasons"),
    [
        (b"", 0, []),
        (good(3), 3, []),
        # cut off inside the pixels, the header, the first byte
        (good(3)[:-1], 2, ["record at byte 90: wants 45 bytes, 44 are left"]),
        (good(2) + good()[:9], 2, ["the file ends inside the header at byte 90"]),
        (good(1) + b"\0", 1, ["the file ends inside the header at byte 45"]),
        # a code that is no character: this record only
        (good() + record("", ink(0), code=b"\xff\xff") + good(), 2,
         ["record at byte 45: no character has the GBK code FFFF"]),
        # a size that lies: the pixels' count leads on
        (good() + record("永", ink(0), size=11) + good(2), 3,
         ["record at byte 45: 11 bytes for 5 x 7 pixels"]),
        (good() + record("永", ink(0), size=2**32 - 1) + good(2), 3,
         ["record at byte 45: 4,294,967,295 bytes for 5 x 7 pixels"]),
        (good() + record("永", ink(0), size=0) + good(), 2,
         ["record at byte 45: 0 bytes for 5 x 7 pixels"]),
        # a width that lies: the size leads on
        (good() + good()[:6] + b"\xff\xff" + good()[8:] + good(2), 3,
         ["record at byte 45: 45 bytes for 65535 x 7 pixels"]),
        # neither leads on
        (good() + b"\x07" * 200, 1,
         ["record at byte 45: 117,901,063 bytes for 1799 x 1799 pixels; the rest of the file is "
          "left out"]),
        (record("永", np.zeros((0, 5), np.uint8)) + good(), 1, ["record at byte 0: 5 x 0 pixels"]),
    ],
)  # fmt: skip
def test_damaged_records(data, kept, reasons):
    found, bad = records(data)
    assert [reason for _, _, reason in bad] == reasons
    assert len(found) == kept
    for each in found:
        assert each.name == "永"
        assert data[each.at : each.at + 35] == ink(0).tobytes()


def test_every_cut_and_every_flipped_byte_is_seen_or_harmless():
    rng = np.random.default_rng(0)
    whole = b"".join(record(n, ink(9)) for n in "永我和年")
    for cut in range(len(whole)):
        found, bad = records(whole[:cut])
        assert len(found) == cut // 45
        assert bool(bad) == bool(cut % 45)
    for _ in range(1000):
        data = bytearray(whole)
        for at in rng.integers(0, len(whole), rng.integers(1, 4)):
            data[at] = rng.integers(256)
        found, bad = records(bytes(data))
        assert all(each.at + each.width * each.height <= len(data) for each in found)
        spans = [(each.at - 10, each.at + each.width * each.height) for each in found]
        spans = sorted(spans + [(start, end) for start, end, _ in bad])
        assert [a for a, _ in spans] == [0, *(b for _, b in spans[:-1])]  # no byte unaccounted
        assert spans[-1][1] == len(data)


def test_damaged_files_are_listed_with_their_reason(folder):
    (folder / "trn" / "900-f.gnt").write_bytes(good(40)[:-20])
    (folder / "trn" / "901-f.gnt").write_bytes(b"")
    (folder / "trn" / "902-f.gnt").write_bytes(b"\7" * 100)
    with pytest.raises(UserError) as caught:
        open_data(f"hwdb:{folder}")
    assert str(caught.value) == (
        f"hwdb:{folder}: 3.6% of the bytes are damaged, in 3 places (first: trn/900-f.gnt: record "
        "at byte 1,755: wants 45 bytes, 25 are left); get these files again, or go on without "
        "them by --allow-bad"
    )
    data = open_data(f"hwdb:{folder}", DataSettings(allow_bad=True))
    assert [bad["path"] for bad in data.quarantine] == [f"trn/90{n}-f.gnt" for n in range(3)]
    assert data.quarantine[1]["reason"] == "empty file"
    assert len(data.train) + len(data.test) == 36 + 39
    assert "trn/902-f.gnt" not in data.writer_names


def test_a_little_damage_goes_on(folder):
    (folder / "trn" / "900-f.gnt").write_bytes(good(200) + b"\1\2")
    data = open_data(f"hwdb:{folder}")
    assert len(data.quarantine) == 1
    assert len(data.train) + len(data.test) == 236


def test_a_changed_file_is_read_again(folder):
    before = open_data(f"hwdb:{folder}").fingerprint
    (folder / "trn" / "000-f.gnt").write_bytes(good(3, value=77))
    assert open_data(f"hwdb:{folder}").fingerprint != before


def test_folders_without_data(tmp_path, folder):
    for spec, words in (
        ("hwdb", "needs the folder of CASIA-HWDB's .gnt files"),
        (f"hwdb:{tmp_path}/none", "no such folder"),
        (f"hwdb:{tmp_path}/empty", "no .gnt files in it or below"),
        (f"hwdb:{tmp_path}/one", "1 of 2 files can be read"),
    ):
        (tmp_path / "empty").mkdir(exist_ok=True)
        (tmp_path / "one").mkdir(exist_ok=True)
        (tmp_path / "one" / "a.gnt").write_bytes(good())
        (tmp_path / "one" / "b.gnt").write_bytes(b"\7" * 100)
        with pytest.raises(UserError, match=words) as caught:
            open_data(spec)
        assert "\n" not in str(caught.value)
    os.mkfifo(folder / "trn" / "pipe.gnt")  # reading it would hang
    assert open_data(f"hwdb:{folder}").classes == 3


def test_files_that_change_while_they_are_read_are_not_taken(folder, cache):
    def change(phase, done, total):
        if phase == "decoding":
            (folder / "trn" / "000-f.gnt").write_bytes(record("永", ink(7)) * 3)

    with pytest.raises(UserError, match="its files have changed while they were read; run again"):
        open_data(f"hwdb:{folder}", progress=change)
    assert list(cache.iterdir()) == []
