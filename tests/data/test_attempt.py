"""A preparation that is killed is gone on with; many files are decoded by processes."""

import hashlib
import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from steadygan.data import DataSettings, attempt, decoding, open_data, processes
from steadygan.data.attempt import LINES, ROWS, Attempt, Decoded
from steadygan.data.images import Traits
from steadygan.data.scan import scan

COUNT = 700
SETTINGS = DataSettings(size=8, channels=1)


@pytest.fixture
def many(tmp_path):
    """A folder of 700 different pictures, two of them no pictures, two of 16-bit grey."""
    root = tmp_path / "many"
    for number in range(COUNT):
        path = root / "ab"[number % 2] / f"{number:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.full((9, 8), number % 256, dtype=np.uint8)
        pixels[: number // 256 + 1] = 255
        deep = number in (100, 500)
        Image.fromarray(pixels * np.uint16(16) if deep else pixels).save(path)
    (root / "a" / "000.png").write_bytes(b"none")
    (root / "a" / "650.png").write_bytes(b"")
    return root


@pytest.fixture
def counted(monkeypatch):
    """The calls of decode() in this process so far."""
    calls, decode = [], decoding.decode

    def counting(*args):
        calls.append(args)
        return decode(*args)

    monkeypatch.setattr(decoding, "decode", counting)
    return calls


KILLED = """
import os, signal, sys
from steadygan.data import DataSettings, open_data
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
def kill(phase, done, total):
    if (phase, done) == (sys.argv[2], int(sys.argv[3])):
        os.kill(os.getpid(), int(sys.argv[4]))
open_data(sys.argv[1], DataSettings(size=8, channels=1), progress=kill)
"""


def killed(root, phase, done, number=signal.SIGKILL):
    words = [f"folder:{root}", phase, str(done), str(int(number))]
    found = subprocess.run([sys.executable, "-c", KILLED, *words], capture_output=True, timeout=60)
    assert found.returncode != 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.parametrize(("phase", "done", "left"), [("decoding", 512, 444), ("writing", 256, 2)])
def test_a_stopped_preparation_is_gone_on_with(
    many, cache, counted, monkeypatch, number, phase, done, left
):
    monkeypatch.setattr(attempt, "WORTH", 1000)
    monkeypatch.setenv("STEADYGAN_CACHE", str(cache / "other"))
    want = open_data(f"folder:{many}", SETTINGS)
    counted.clear()
    monkeypatch.setenv("STEADYGAN_CACHE", str(cache))
    killed(many, phase, done, number)
    open_data("mnist")  # another set's start leaves it
    phases = []
    got = open_data(f"folder:{many}", SETTINGS, progress=lambda *each: phases.append(each))
    assert len(counted) <= left + 2  # no more than 256 that were not written yet; 16-bit twice
    assert ("checking what is decoded", 256, COUNT) in phases
    assert got.describe() == want.describe()
    assert got.quarantine == want.quarantine
    assert len(got.quarantine) == 2
    assert (got.train.items == want.train.items).all()
    assert {path.name.partition("-")[0] for path in cache.iterdir()} == {"folder", "mnist", "other"}


def test_a_changed_file_starts_a_preparation_anew(many, cache, counted, monkeypatch):
    monkeypatch.setattr(attempt, "WORTH", 1000)
    killed(many, "decoding", 512)
    os.utime(many / "a" / "002.png")
    open_data(f"folder:{many}", SETTINGS)
    assert len(counted) == COUNT + 2  # 16-bit twice
    assert len(list(cache.iterdir())) == 1


def test_an_attempt_that_nobody_takes_up_is_removed_after_a_week(many, cache, monkeypatch):
    monkeypatch.setattr(attempt, "WORTH", 1000)
    killed(many, "decoding", 512)
    (left,) = cache.iterdir()
    week_ago = left.stat().st_mtime - 8 * 24 * 3600
    os.utime(left, (week_ago, week_ago))
    open_data("mnist")
    assert not left.exists()


def result(value):
    return Decoded.of(bytes([value]), np.full((1, 2, 2), value, np.uint8), Traits(longest=2))


def known(folder):
    with Attempt(folder, 4) as made:
        return [got.file for got in made.known()]


@pytest.mark.parametrize("file", [ROWS, LINES])
@pytest.mark.parametrize("damage", ["cut", "zeros", "changed"])
def test_what_a_crash_left_is_taken_as_far_as_it_is_whole(tmp_path, file, damage):
    with Attempt(tmp_path, 4) as made:
        assert list(made.known()) == []
        for value in range(5):
            made.note(result(value))
    data = bytearray((tmp_path / file).read_bytes())
    rows = len(data) // 5 * 3  # somewhere in the fourth
    if damage == "cut":
        del data[rows + 2 :]
    elif damage == "zeros":
        data[rows + 1 :] = bytes(len(data) - rows - 1)
    else:
        data[rows + 3] ^= 1
    (tmp_path / file).write_bytes(data)
    files = [hashlib.sha256(bytes([value])).digest() for value in range(5)]
    assert known(tmp_path) == files[:3]
    assert (tmp_path / ROWS).stat().st_size == 12
    with Attempt(tmp_path, 4) as made:
        assert len(list(made.known())) == 3
        made.note(result(3))
    assert known(tmp_path) == files[:4]


# ---- processes -----------------------------------------------------------------------------


@pytest.fixture
def by_processes(monkeypatch):
    monkeypatch.setattr(decoding, "FEWEST", 1)


def test_processes_give_what_threads_do(many, cache, counted, monkeypatch):
    want = open_data(f"folder:{many}", SETTINGS)
    monkeypatch.setenv("STEADYGAN_CACHE", str(cache / "other"))
    monkeypatch.setattr(decoding, "FEWEST", 1)
    counted.clear()
    got = open_data(f"folder:{many}", SETTINGS)
    assert counted == []
    assert got.describe() == want.describe()
    assert got.quarantine == want.quarantine
    assert (got.train.items == want.train.items).all()


def test_large_pictures_and_those_of_a_process_that_ended_are_decoded_here(
    many, counted, by_processes, monkeypatch
):
    Image.new("L", (2100, 2100), 7).save(many / "a" / "x.png")  # more than images.LARGE
    seen = []

    class Dying(processes.Worker):
        def decode(self, found):
            seen.append(len(found))
            if len(seen) == 2:
                self._process.kill()
            return super().decode(found)

    monkeypatch.setattr(processes, "Worker", Dying)
    monkeypatch.setattr(processes, "_BLOCK", 100)
    data = open_data(f"folder:{many}", SETTINGS)
    assert len(data.train) + len(data.test) == COUNT + 1 - 2
    assert len(data.quarantine) == 2
    assert 100 <= len(counted) < COUNT


def test_no_process_stays_when_the_caller_stops(many, by_processes, monkeypatch):
    started = []

    class Noted(processes.Worker):
        def __init__(self, *args):
            super().__init__(*args)
            started.append(self._process)

    def stop(phase, done, total):
        if phase == "decoding":
            raise KeyboardInterrupt

    monkeypatch.setattr(processes, "Worker", Noted)
    with pytest.raises(KeyboardInterrupt):
        open_data(f"folder:{many}", SETTINGS, progress=stop)
    assert len(started) == decoding._WORKERS
    assert all(process.poll() is not None for process in started)


def test_processes_end_without_a_word_when_their_parent_is_killed(many):
    code = "from steadygan.data import decoding; decoding.FEWEST = 1" + KILLED
    words = [f"folder:{many}", "decoding", "256", str(int(signal.SIGKILL))]
    found = subprocess.run(  # which waits until nobody holds its stderr
        [sys.executable, "-c", code, *words], capture_output=True, timeout=60
    )
    assert found.returncode == -signal.SIGKILL
    assert found.stderr == b""


def test_a_process_whose_reader_has_gone_ends_without_a_word(many):
    process = subprocess.Popen(
        [sys.executable, "-m", "steadygan.data.worker"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    process.stdout.close()
    lines = json.dumps([str(many), 1, 8, 65535]), json.dumps([["a/002.png", [1, 2, 3]]])
    _, said = process.communicate("".join(f"{line}\n" for line in lines).encode(), timeout=60)
    assert said == b""


def test_a_process_takes_names_that_are_no_utf8(tmp_path, by_processes):
    for number in range(3):
        name = os.fsencode(tmp_path) + b"/\xff%d.png" % number
        with open(name, "wb") as file:
            Image.new("L", (8, 8), number).save(file, "PNG")
    found = scan(tmp_path).found
    with_processes = processes.decoded_by_processes(
        tmp_path, found, (1, 8, 8), 65535, 1, lambda each: pytest.fail(each.name)
    )
    (results,) = with_processes
    assert [got.pixels[0, 0, 0] for got in results] == [0, 1, 2]
    assert json.loads(json.dumps(attempt.as_plain(results[0])))[0] == ""
