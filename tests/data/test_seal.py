"""Damage to the image cache: said, built again, never trained on."""

import hashlib
import json
import os

import numpy as np
import pytest

from steadygan.data import open_data, seal
from steadygan.data.seal import Damaged, read_seal, write_seal


def overwrite(path, at, data):
    with open(path, "r+b") as file:
        file.seek(at, os.SEEK_SET if at >= 0 else os.SEEK_END)
        file.write(data)


def flipped(path, at):
    with open(path, "rb") as file:
        file.seek(at, os.SEEK_SET if at >= 0 else os.SEEK_END)
        byte = file.read(1)
    overwrite(path, at, bytes([byte[0] ^ 1]))


DAMAGES = {
    "empty": lambda path: os.truncate(path, 0),
    "cut by a byte": lambda path: os.truncate(path, path.stat().st_size - 1),
    "cut in half": lambda path: os.truncate(path, path.stat().st_size // 2),
    "a byte more": lambda path: overwrite(path, path.stat().st_size, b"\0"),
    "first byte flipped": lambda path: flipped(path, 0),
    "a middle byte flipped": lambda path: flipped(path, path.stat().st_size // 2),
    "last byte flipped": lambda path: flipped(path, -1),
    "a sector of zeros": lambda path: overwrite(path, path.stat().st_size // 3, bytes(512)),
    "all zeros": lambda path: overwrite(path, 0, bytes(path.stat().st_size)),
    "gone": os.remove,
    "a folder": lambda path: (os.remove(path), os.mkdir(path)),
}


@pytest.mark.parametrize("name", ["items.npy", "labels.npy", "entry.json"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_entry_is_said_and_built_again(damage, name, cache, caplog):
    want = open_data("mnist")
    (home,) = cache.iterdir()
    whole = (home / name).read_bytes()
    assert caplog.text == ""
    DAMAGES[damage](home / name)
    again = open_data("mnist")
    assert again.describe() == want.describe()
    assert (home / name).read_bytes() == whole
    assert list(cache.iterdir()) == [home]
    (said,) = caplog.records
    assert f"{home} is damaged ({name}" in said.getMessage()
    assert said.getMessage().endswith("): built again")


def test_every_block_is_compared_and_the_damaged_one_named(tmp_path, monkeypatch):
    monkeypatch.setattr(seal, "BLOCK", 1000)
    data = np.random.default_rng(0).bytes(3500)
    (tmp_path / "rows").write_bytes(data)
    write_seal(tmp_path, {"a": 1})
    calls = []
    assert read_seal(tmp_path, lambda *call: calls.append(call)).facts == {"a": 1}
    assert calls == [("checking", done, 4) for done in (1, 2, 3, 4)]
    for at, words in (
        (0, "0 to 999"), (999, "0 to 999"), (1000, "1,000 to 1,999"), (3499, "3,000 to 3,499"),
    ):  # fmt: skip
        flipped(tmp_path / "rows", at)
        with pytest.raises(Damaged, match=f"rows: bytes {words} are not those written"):
            read_seal(tmp_path)
        flipped(tmp_path / "rows", at)
    assert read_seal(tmp_path).facts == {"a": 1}


def test_a_deeply_nested_record_and_another_entrys_are_damage(cache, caplog):
    want = open_data("mnist")
    (home,) = cache.iterdir()
    (home / "entry.json").write_text("[" * 200_000)
    assert open_data("mnist").describe() == want.describe()
    assert "entry.json is not what was written" in caplog.text
    _, _, text = (home / "entry.json").read_text().partition("\n")
    record = json.loads(text)
    record["facts"]["key"]["content"] = "another"
    text = json.dumps(record)
    (home / "entry.json").write_text(hashlib.sha256(text.encode()).hexdigest() + "\n" + text)
    assert open_data("mnist").describe() == want.describe()
    assert "it is another's" in caplog.text


def test_a_disk_that_fails_is_damage(cache, caplog, monkeypatch):
    want = open_data("mnist")
    read = seal._digest
    failed = []

    def fail(block, file=None):
        if not failed:
            failed.append(block)
            raise OSError(5, "Input/output error")
        return read(block, file)

    monkeypatch.setattr(seal, "_digest", fail)
    assert open_data("mnist").describe() == want.describe()
    assert "Input/output error" in caplog.text
