import errno
import fcntl
import os
import resource
import subprocess
import sys
import time

import numpy as np
import pytest

from steadygan.data import DataSettings, decoding, open_data
from steadygan.data.cache import cache_root, open_entry, write_rows
from steadygan.errors import UserError


@pytest.fixture
def decoded(monkeypatch):
    """The calls of decode() so far."""
    calls = []

    def counting(*args):
        calls.append(args)
        return decode(*args)

    decode = decoding.decode
    monkeypatch.setattr(decoding, "decode", counting)
    return calls


def fill(paint, count=10):
    for number in range(count):
        paint(f"{number}.png", number)
    return f"folder:{paint.root}"


def first_values(data):
    return sorted([*data.train.items[:, 0, 0, 0].tolist(), *data.test.items[:, 0, 0, 0].tolist()])


def test_everything_is_decoded_once_and_memory_mapped_read_only(paint, decoded):
    spec = fill(paint)
    one, two = open_data(spec), open_data(spec)
    assert len(decoded) == 10
    assert isinstance(two.train.items, np.memmap)
    assert two.train.items.dtype == np.uint8
    assert (one.train.items == two.train.items).all()
    assert one.describe() == two.describe()
    with pytest.raises(ValueError, match="read-only"):
        two.train.items[0] = 0
    assert two.train.items[[0, 1]].flags.writeable  # a batch is the caller's own
    open_data(spec, DataSettings(size=32))
    assert len(decoded) == 20
    open_data(spec)
    assert len(decoded) == 20  # settings have entries of their own


def test_a_changed_file_is_never_served_from_the_cache(paint, decoded):
    spec = fill(paint)
    open_data(spec)
    old = os.stat(paint.root / "3.png")
    path = paint("3.png", 77)
    assert path.stat().st_size == old.st_size
    os.utime(path, ns=(old.st_atime_ns, old.st_mtime_ns))  # same size, same mtime
    assert 77 in first_values(open_data(spec))
    (paint.root / "4.png").unlink()
    assert 4 not in first_values(open_data(spec))
    paint("new.png", 99)
    assert 99 in first_values(open_data(spec))


def test_another_pillow_decodes_again(paint, decoded, monkeypatch):
    spec = fill(paint)
    open_data(spec)
    monkeypatch.setattr("PIL.__version__", "99.0")
    open_data(spec)
    assert len(decoded) == 20


def test_the_entry_that_went_stale_is_removed_and_others_stay(paint, cache):
    spec = fill(paint)
    open_data(spec)
    open_data(spec, DataSettings(size=32))
    assert len(list(cache.iterdir())) == 2
    paint("3.png", 77)
    open_data(spec)
    assert len(list(cache.iterdir())) == 2


def test_a_build_that_is_cut_off_leaves_nothing_to_be_seen(paint, cache, monkeypatch):
    spec = fill(paint)

    def stop(phase, done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        open_data(spec, progress=stop)
    assert list(cache.iterdir()) == []
    assert first_values(open_data(spec)) == list(range(10))


BUILDING = """
import sys, time
from steadygan.data import open_data
def slow(phase, done, total):
    print(phase, flush=True)
    time.sleep(60)
open_data(sys.argv[1], progress=slow)
"""


def test_what_a_killed_build_left_is_removed_at_the_next_start_and_a_living_one_is_not(
    paint, cache
):
    spec = fill(paint)
    builders = [
        subprocess.Popen([sys.executable, "-c", BUILDING, spec], stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    try:
        for builder in builders:
            assert b"decoding" in builder.stdout.readline()
        assert len(list(cache.iterdir())) == 2
        builders[0].kill()
        builders[0].wait()
        open_data("mnist")
        names = sorted(path.name for path in cache.iterdir())
        assert [name.partition("-")[0] for name in names] == [".building", "mnist"]
        builders[1].kill()
        builders[1].wait()
        open_data("mnist")  # which is in the cache
        assert [path.name.partition("-")[0] for path in cache.iterdir()] == ["mnist"]
    finally:
        for builder in builders:
            builder.kill()
            builder.communicate()


def test_without_locks_only_builds_of_a_day_ago_count_as_killed(cache, monkeypatch):
    def refuse(file, how):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    dead, running = cache / ".building-dead", cache / ".building-running"
    for path in (dead, running):
        path.mkdir(parents=True)
    day_ago = time.time() - 25 * 3600
    os.utime(dead, (day_ago, day_ago))
    assert len(open_data("mnist").train) == 9_000
    assert not dead.exists()
    assert running.exists()


def test_of_two_builders_the_second_takes_what_the_first_made(cache):
    def build(value):
        def one(home):
            if value == 1:  # while this one builds, the other begins and ends
                assert open_entry("x", {}, "c", build(2)).items[0, 0, 0, 0] == 2
            rows = np.full((3, 1, 8, 8), value, dtype=np.uint8)
            write_rows(home / "items.npy", rows.shape, [rows])
            return {"train": 2, "class_names": None, "quarantine": [], "fingerprint": ""}

        return one

    assert (open_entry("x", {}, "c", build(1)).items == 2).all()
    assert len(list(cache.iterdir())) == 1


def test_processes_that_build_at_once(cache, paint):
    spec = fill(paint)
    code = f"from steadygan.data import open_data; print(open_data({spec!r}).fingerprint)"
    running = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    prints = {process.communicate(timeout=60)[0] for process in running}
    assert [process.returncode for process in running] == [0, 0, 0]
    assert prints == {open_data(spec).fingerprint + "\n"}
    assert len(list(cache.iterdir())) == 1


def test_a_cache_that_cannot_be_written_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("STEADYGAN_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(UserError, match=r"cannot write the image cache .*set STEADYGAN_CACHE"):
        open_data("mnist")


def test_a_full_disk_is_one_line_and_leaves_nothing(cache):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, limits[1]))  # a write beyond it fails
    try:
        with pytest.raises(UserError, match="cannot write the image cache"):
            open_data("mnist")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(cache.iterdir()) == []


def test_where_the_cache_is(tmp_path, monkeypatch):
    monkeypatch.setenv("STEADYGAN_CACHE", str(tmp_path / "own"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_root() == tmp_path / "own"
    monkeypatch.delenv("STEADYGAN_CACHE")
    assert cache_root() == tmp_path / "xdg" / "steadygan"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_root() == tmp_path / "home" / ".cache" / "steadygan"
