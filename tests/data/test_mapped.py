"""Large items of the cache: each block is compared with its digest before rows of it are given."""

import os

import numpy as np
import pytest
from safetensors.numpy import load_file

from steadygan.data import cache as caching
from steadygan.data import mapped, open_data, seal
from steadygan.data.mapped import MappedRows, between
from steadygan.data.seal import Damaged, read_seal, write_seal
from steadygan.errors import DamagedDataError
from steadygan.methods import find
from steadygan.recipes.overrides import override
from steadygan.training import resume, train
from steadygan.training.checkpoint import listed

ROWS, SIZE = 40, 12


class WasDamaged(Exception):
    pass


def use_blocks(monkeypatch, size):
    monkeypatch.setattr(seal, "BLOCK", size)
    monkeypatch.setattr(mapped, "BLOCK", size)
    monkeypatch.setattr(caching, "MOST_AT_ONCE", 0)  # no file is compared at once


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of 20,000 bytes: pictures of 64 px in colour take 12,288."""
    use_blocks(monkeypatch, 20_000)


@pytest.fixture
def sealed(tmp_path, monkeypatch):
    """A sealed folder of 40 rows of 12 bytes, which cross the ends of its blocks of 64."""
    use_blocks(monkeypatch, 64)
    folder = tmp_path / "sealed"
    folder.mkdir()
    np.save(folder / "items.npy", np.arange(ROWS * SIZE, dtype=np.uint8).reshape(ROWS, 3, 4))
    write_seal(folder, {})
    return folder


def opened(folder):
    found = read_seal(folder, later={"items.npy": 0})
    return MappedRows(folder / "items.npy", found, lambda path, file, damage: WasDamaged(damage))


def plain(folder):
    return np.load(folder / "items.npy")


def flip(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


INDICES = [
    0, -1, np.int64(7), np.array([-1, 3], np.int8),
    slice(None), slice(3, 9), slice(30, 2, -3), slice(0), [5, 1, 5], [-1, 0],
    np.array([39, 2]), np.arange(ROWS) % 3 == 0, (slice(2, 5), 0), (np.array([3, 4]), 1, 2), (5, 1),
]  # fmt: skip


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_it_gives_what_the_array_does(sealed, index):
    rows = opened(sealed)
    assert np.array_equal(rows[index], plain(sealed)[index])
    assert np.array_equal(rows[index], plain(sealed)[index])  # compared before


def test_it_is_like_the_array(sealed):
    rows, array = opened(sealed), plain(sealed)
    for name in ("shape", "dtype", "ndim", "nbytes"):
        assert getattr(rows, name) == getattr(array, name)
    assert len(rows) == ROWS
    assert np.array_equal(np.asarray(rows), array)
    assert np.array_equal(np.concatenate([rows, rows]), np.concatenate([array, array]))
    assert np.array_equal(np.stack(list(rows)), array)
    assert np.asarray(rows, dtype=np.float32).dtype == np.float32


@pytest.mark.parametrize("row", [0, 5, 17, 39])
@pytest.mark.parametrize("byte", [0, SIZE - 1])
def test_a_damaged_row_is_never_given(sealed, row, byte):
    offset = (sealed / "items.npy").stat().st_size - ROWS * SIZE
    at = offset + row * SIZE + byte
    flip(sealed / "items.npy", at)
    with pytest.raises(WasDamaged, match=f"items.npy: bytes {at // 64 * 64:,} to .* not those"):
        opened(sealed)[row]
    for index in ([row], slice(None), np.arange(ROWS) == row, (row, 0)):
        with pytest.raises(WasDamaged):
            opened(sealed)[index]
    with pytest.raises(WasDamaged):
        np.asarray(opened(sealed))


def test_each_block_is_compared_once_and_only_when_it_is_asked_for(sealed, monkeypatch):
    compared, digest = [], seal._digest

    def noted(block, file=None):
        compared.append(block.start // 64)
        return digest(block, file)

    monkeypatch.setattr(seal, "_digest", noted)
    rows = opened(sealed)
    assert compared == [0]  # a header of 128 bytes
    rows[0], rows[1]
    assert compared == [0, 2]
    rows[5]  # bytes 60 to 71 of the rows
    assert compared == [0, 2, 3]
    rows[:]
    assert sorted(compared) == [0, *range(2, 10)]
    rows[3:17]
    assert len(compared) == 9


def test_a_damaged_header_is_no_shape(sealed):
    flip(sealed / "items.npy", 60)
    with pytest.raises(Damaged, match="bytes 0 to 63 are not those"):
        opened(sealed)


def test_parts_share_what_was_compared(sealed):
    rows = opened(sealed)
    train, test = between(rows, 0, 30), between(rows, 30)
    assert (len(train), len(test)) == (30, 10)
    assert np.array_equal(train[:], plain(sealed)[:30])
    assert np.array_equal(test[[0, -1]], plain(sealed)[[30, 39]])
    left = len(rows._blocks.left)
    rows[:]
    assert len(test._blocks.left) < left
    assert test._blocks.left == {1}  # the end of the header, which no block of 2**24 bytes cuts
    assert np.array_equal(between(plain(sealed), 30), test[:])


def test_a_folder_that_was_removed_meanwhile(sealed):
    """Another process builds an entry of a newer folder, and removes this one."""
    rows, array = opened(sealed), plain(sealed)
    for path in sealed.iterdir():
        path.unlink()
    assert np.array_equal(rows[:], array)


def filled(paint):
    for number in range(24):
        paint(f"{number:02}.png", number)
    return f"folder:{paint.root}"


def test_a_large_entry_is_opened_without_being_read(paint, cache, small_blocks, monkeypatch):
    data = open_data(filled(paint))
    want = sorted(data.train.items[:, 0, 0, 0].tolist())
    calls = []
    again = open_data(f"folder:{paint.root}", progress=lambda *call: calls.append(call))
    assert [phase for phase, *_ in calls] == []
    assert isinstance(again.train.items, MappedRows)
    assert sorted(again.train.items[:, 0, 0, 0].tolist()) == want


def test_a_damaged_entry_is_removed_and_built_again(paint, cache, small_blocks):
    spec = filled(paint)
    whole = open_data(spec).fingerprint
    (entry,) = cache.glob("folder-*/items.npy")
    flip(entry, -1)
    data = open_data(spec)
    data.train.items[0]
    with pytest.raises(DamagedDataError, match=r"items.npy: bytes .*: run again .*resume"):
        data.test.items[:]
    assert not entry.exists()
    assert open_data(spec).fingerprint == whole
    with pytest.raises(DamagedDataError, match="run again"):  # its file is still the damaged one
        data.test.items[:]
    assert len(open_data(spec).test.items[:])
    assert entry.exists()


def test_a_damaged_entry_that_cannot_be_removed_is_named(paint, cache, small_blocks, monkeypatch):
    data = open_data(filled(paint))
    (entry,) = cache.glob("folder-*/items.npy")
    flip(entry, -1)

    def refuse(*paths):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(DamagedDataError, match=rf"damaged .*: remove {entry.parent} and run again"):
        data.test.items[:]


@pytest.mark.parametrize("name", ["items.npy", "labels.npy", "entry.json"])
def test_what_is_compared_at_the_start_is_built_again_there(
    paint, cache, small_blocks, caplog, name
):
    """The header of the items, labels and the record."""
    for number in range(24):
        paint(f"{number % 2}/{number:02}.png", number)
    spec = f"folder:{paint.root}"
    want = open_data(spec)
    (entry,) = cache.glob(f"folder-*/{name}")
    flip(entry, 100)
    assert open_data(spec).fingerprint == want.fingerprint
    assert "built again" in caplog.text
    assert np.array_equal(open_data(spec).train.items[:], want.train.items[:])


def test_a_run_ends_at_a_damaged_batch_and_goes_on_from_its_checkpoint(
    paint, cache, small_blocks, tmp_path
):
    spec, recipe = filled(paint), override(find("gan").recipe, "batch", 4)
    whole = train(recipe, spec, steps=8, out=tmp_path / "whole")
    data = open_data(spec)
    flip(next(cache.glob("folder-*/items.npy")), data.train.items.nbytes)  # the header is longer
    with pytest.raises(DamagedDataError, match="run again"):
        train(recipe, data, steps=8, out=tmp_path / "run")
    resume(tmp_path / "run", steps=8, say=lambda text: None)
    ours, theirs = (listed(each / "checkpoints")[0] for each in (tmp_path / "run", whole))
    assert ours.name == theirs.name == "step-000008.safetensors"
    ours, theirs = load_file(ours), load_file(theirs)
    assert ours.keys() == theirs.keys()
    assert all(np.array_equal(ours[name], theirs[name]) for name in ours)
