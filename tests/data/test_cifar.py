"""CIFAR-10's binary files, written byte by byte."""

import numpy as np
import pytest

from steadygan.data import DataSettings, open_data
from steadygan.data.sources.cifar import NAMES, TEST, TRAIN
from steadygan.errors import UserError

CLASSES = ["airplane", "automobile", "cat"]


def record(label, red=0, green=0, blue=0):
    """One record: the label, then the planes of a flat picture."""
    return bytes([label]) + bytes([red]) * 1024 + bytes([green]) * 1024 + bytes([blue]) * 1024


@pytest.fixture
def folder(tmp_path):
    home = tmp_path / "cifar-10-batches-bin"
    home.mkdir()
    for number, name in enumerate(TRAIN):
        (home / name).write_bytes(record(number % 3, red=number) + record(2, green=100 + number))
    ramp = bytes([1]) + bytes(range(256)) * 4 + bytes(1024) + bytes([9]) * 1024
    (home / TEST).write_bytes(ramp + record(0, 1, 2, 3) + record(1, 4, 5, 6))
    (home / NAMES).write_text("\n".join(CLASSES) + "\n\n")
    return home


def test_every_byte_is_in_its_place(folder):
    data = open_data(f"cifar10:{folder}")
    assert data.shape == (3, 32, 32)
    assert (len(data.train), len(data.test)) == (10, 3)
    assert data.class_names == tuple(CLASSES)
    assert data.train.labels.tolist() == [0, 2, 1, 2, 2, 2, 0, 2, 1, 2]
    assert data.train.items[::2, 0, 5, 7].tolist() == [0, 1, 2, 3, 4]
    assert data.train.items[1::2, 1, 31, 31].tolist() == [100, 101, 102, 103, 104]
    ramp = np.tile(np.arange(256, dtype=np.uint8), 4).reshape(32, 32)  # row by row
    assert (data.test.items[0, 0] == ramp).all()
    assert (data.test.items[0, 1:, 3, 3] == [0, 9]).all()
    assert data.test.labels.tolist() == [1, 0, 1]


def test_the_folder_above_and_other_sizes_and_grey(folder):
    data = open_data(f"cifar10:{folder.parent}", DataSettings(size=16, channels=1))
    assert data.test.items.shape == (3, 1, 16, 16)
    # BT.601: 0.299 r + 0.587 g + 0.114 b of (1, 2, 3) and (4, 5, 6).
    assert data.test.items[1:, 0, 0, 0].tolist() == [2, 5]


def test_a_changed_file_is_decoded_again(folder):
    one = open_data(f"cifar10:{folder}").fingerprint
    (folder / TEST).write_bytes(record(0))
    assert open_data(f"cifar10:{folder}").fingerprint != one


def test_the_pickles_are_recognised_and_refused(folder, tmp_path):
    pickles = tmp_path / "cifar-10-batches-py"
    pickles.mkdir()
    (pickles / "data_batch_1").write_bytes(b"\x80\x02}q\x01")
    for spec in (pickles, folder.rename(tmp_path / "elsewhere").parent):
        with pytest.raises(UserError, match=r"pickle can run any program.*cifar-10-binary.tar.gz"):
            open_data(f"cifar10:{spec}")


def test_missing_and_damaged_files(folder):
    spec = f"cifar10:{folder}"
    for name, content, words in (
        (TEST, record(0)[:-1], r"test_batch.bin is damaged: 3,072 bytes are no whole number"),
        (TEST, b"", "0 bytes are no whole number"),
        (TRAIN[2], record(3), "data_batch_3.bin is damaged: label 3 where .* names 3 classes"),
        (NAMES, b"cat\ncat\n", "holds 2 names"),
        (NAMES, b"\xff\n", "cannot read"),
    ):
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(content)
        with pytest.raises(UserError, match=words):
            open_data(spec)
        (folder / name).write_bytes(whole)
    open_data(spec)
    (folder / TRAIN[4]).unlink()
    with pytest.raises(UserError, match=r"no data_batch_5.bin in .*cifar-10-binary.tar.gz"):
        open_data(spec)
    with pytest.raises(UserError, match="is no folder"):
        open_data(f"cifar10:{folder}/nowhere")
    with pytest.raises(UserError, match=r"needs a path: cifar10:DIR.*cifar-10-binary"):
        open_data("cifar10")
