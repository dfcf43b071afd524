"""Files are whole or not there: on full disks, after errors and kills, under any name."""

import errno
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from steadygan import files as written
from steadygan.errors import UserError
from steadygan.files import write_whole, writing
from steadygan.report import write_report
from steadygan.training import train
from steadygan.training.runfolder import RunFolder
from steadygan.training.sample_files import sample
from tests.reliability import games
from tests.reliability.files import content, mounted


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("writing") / "run"
    return train(games.small("gan"), games.images(), out=out, steps=1, device="cpu")


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, MemoryError])
@pytest.mark.parametrize("before", ["the old text", None])
def test_a_block_that_ends_early_leaves_what_was_there(before, error, tmp_path):
    path = tmp_path / "a.txt"
    if before:
        path.write_text(before)

    def write():
        with writing(path, "w") as file:
            file.write("half of the n")
            raise error

    with pytest.raises(error):
        write()
    assert content(tmp_path) == ({"a.txt": before.encode()} if before else {})


def test_text_and_bytes_are_written_as_given(tmp_path):
    write_whole(tmp_path / "a.txt", "字\n")
    write_whole(tmp_path / "b", b"\r\n\0")
    assert content(tmp_path) == {"a.txt": "字\n".encode(), "b": b"\r\n\0"}


def test_the_file_is_synced_before_it_is_renamed_and_the_folder_after(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(written.os, "fsync", lambda handle: calls.append(os.fstat(handle).st_mode))
    real = os.replace
    monkeypatch.setattr(written.os, "replace", lambda a, b: calls.append("rename") or real(a, b))
    write_whole(tmp_path / "a", "x")
    file, renamed, folder = calls
    assert renamed == "rename"
    assert (file & 0o170000, folder & 0o170000) == (0o100000, 0o040000)


def test_a_link_is_followed(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "there" / "a.txt")
    write_whole(tmp_path / "link", "x")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "there" / "a.txt").read_text() == "x"


@pytest.mark.parametrize("name", ["n" * 255, "字" * 85])
def test_the_longest_name_there_may_be_is_written(name, tmp_path):
    write_whole(tmp_path / name, "x")
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "the disk is full; make room"),
        (errno.EDQUOT, "the disk is full; make room"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "cannot be written: Permission denied"),
    ],
)
def test_what_is_in_the_way_is_one_line_with_the_path(number, said, tmp_path, monkeypatch):
    def broken(handle):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(written.os, "fsync", broken)
    with pytest.raises(UserError, match=f"{tmp_path / 'a'}: .*{said}"):
        write_whole(tmp_path / "a", "x")
    assert content(tmp_path) == {}


def test_a_disk_that_fills_up_inside_an_array_is_said_as_full(tmp_path):
    """numpy tells it without an error number."""
    with mounted(tmp_path / "disk", "size=1m") as disk:

        def write():
            with writing(disk / "a.npy") as file:
                np.save(file, np.zeros(1 << 19), allow_pickle=False)

        with pytest.raises(UserError, match="disk is full"):
            write()
        assert content(disk) == {}


def test_a_name_that_is_too_long_is_one_short_line(tmp_path):
    with pytest.raises(UserError, match="name is too long") as caught:
        write_whole(tmp_path / ("n" * 300), "x")
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("name", ["s.npy", "s.png", "s.gif", "report.html"])
def test_a_full_disk_leaves_no_cut_file(name, run, tmp_path):
    """On a real full disk: the file that was there stays, whole, and nothing is beside it."""
    with mounted(tmp_path / "disk", "size=8m") as disk:
        out = shutil.copytree(run, disk / "run") / name
        call = (lambda: write_report(out.parent)) if name == "report.html" else (
            lambda: sample(run, out, count=5000 if name == "s.npy" else 64, say=games.quiet)
        )  # fmt: skip
        call()
        before = content(disk)
        with (disk / "filler").open("wb", buffering=0) as filler:
            while True:
                try:
                    filler.write(bytes(4096))
                except OSError:
                    break
        with pytest.raises(UserError, match="disk is full"):
            call()
        (disk / "filler").unlink()
        assert content(disk) == before
    if name == "s.npy":
        sample(run, tmp_path / name, count=64, say=games.quiet)
        assert np.load(tmp_path / name, allow_pickle=False).shape == (64, 16, 16, 1)
    elif name == "s.gif":
        sample(run, tmp_path / name, count=4, say=games.quiet)
        with Image.open(tmp_path / name) as walk:
            assert walk.n_frames > 20


def test_a_report_on_a_read_only_mount_is_one_line(run, tmp_path):
    with mounted(tmp_path / "disk", "size=16m") as disk:
        there = shutil.copytree(run, disk / "run")
        os.system(f"mount -o remount,ro {disk}")
        with pytest.raises(UserError, match="read-only"):
            write_report(there)
        sample(there, tmp_path / "s.png", count=4, say=games.quiet)  # reading it takes no writing


def test_what_killed_writers_left_beside_goes_with_the_next_writer_and_nothing_else(run, tmp_path):
    there = shutil.copytree(run, tmp_path / "run")
    before = content(there)
    for name in (".run.json.77.part", ".history.jsonl.77.part", "samples/.step-000001.png.7.part"):
        (there / name).write_bytes(b"half")
    (there / ".mine.part").write_bytes(b"the only copy")
    RunFolder.open(there).close()
    assert content(there) == before | {".mine.part": b"the only copy"}


def test_a_text_with_bytes_of_another_encoding_is_written(tmp_path):
    """The command of a study on a folder whose name is no UTF-8 is such a text."""
    write_whole(tmp_path / "c", "made by caf\udce9")
    assert (tmp_path / "c").read_bytes() == b"made by caf\\udce9"
