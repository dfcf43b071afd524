"""The digest that tells whether a folder is what it was, alone and by several processes."""

import os
import subprocess
import sys

import pytest

from steadygan.data import open_data, stamping, stamps
from steadygan.data.scan import scan
from steadygan.data.sources import folder
from steadygan.data.stamps import listed, stamped
from steadygan.errors import UserError

NAMES = [
    "a.png",
    "b/a.png",
    "b/c/ü.png",
    "b.png",
    "b/new\nline.png",
    "z/1.png",
    "z/2.png",
    "z/3.png",
]


@pytest.fixture
def pictures(tmp_path):
    """A folder of files that are called pictures, some of them below others."""
    root = tmp_path / "root"
    for name in NAMES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    (root / os.fsdecode(b"z/\xff.png")).write_bytes(b"no UTF-8")
    return root


@pytest.fixture
def by_processes(monkeypatch):
    """Two files a digest, and a process for each three files; what was started is listed."""
    monkeypatch.setattr(stamps, "MOST", 3)
    monkeypatch.setattr(stamps, "SLICE", 2)
    started, run = [], subprocess.run

    def noted(words, **options):
        started.append(words)
        return run(words, **options)

    monkeypatch.setattr(subprocess, "run", noted)
    return started


def test_few_files_in_many_folders_are_asked_after_here(tmp_path, by_processes, monkeypatch):
    monkeypatch.setattr(stamps, "MOST", 50)
    for number in range(40):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "a.png").write_bytes(b"")
    assert stamped(tmp_path).images == 40
    assert by_processes == []


def test_the_list_is_of_the_same_files(pictures, by_processes):
    digest = stamped(pictures).digest
    assert listed(pictures, digest) == scan(pictures)
    (pictures / "b/more.png").write_bytes(b"")
    with pytest.raises(UserError, match=r"root: has changed while it was read; run again"):
        listed(pictures, digest)


def test_a_picture_that_comes_between_the_two_looks(paint, monkeypatch):
    """It would be decoded under the digest of a folder without it."""
    for number in range(4):
        paint(f"{number}.png", number)
    look = folder.stamped

    def then_painted(*given, **more):
        found = look(*given, **more)
        paint("9.png", 9)
        return found

    monkeypatch.setattr(folder, "stamped", then_painted)
    with pytest.raises(UserError, match="has changed while it was read; run again"):
        open_data(f"folder:{paint.root}")
    monkeypatch.setattr(folder, "stamped", look)
    data = open_data(f"folder:{paint.root}")
    assert len(data.train) + len(data.test) == 5


def test_it_counts_what_scan_lists(pictures):
    (pictures / "notes.TXT").write_bytes(b"")
    (pictures / ".hidden.png").write_bytes(b"")
    found, listing = stamped(pictures), scan(pictures)
    assert (found.images, found.others) == (len(listing.found), listing.others)
    assert found.images == len(NAMES) + 1
    assert found.others == {".txt": 1}


def test_processes_find_what_one_does(pictures, by_processes, monkeypatch):
    said = []
    one = stamped(pictures, progress=lambda *call: said.append(call))
    # Of the loose files and the two of b, of the one of b/c and two of z, and of two more.
    assert len(by_processes) == 3
    assert said == [("comparing times of files", done, 9) for done in (2, 4, 5, 7, 9)]
    monkeypatch.setattr(stamps, "MOST", 100)
    assert stamped(pictures) == one
    assert len(by_processes) == 3


@pytest.mark.parametrize("program", ["", "import sys; sys.exit(1)", None])
def test_processes_that_fail_are_done_without(
    pictures, by_processes, monkeypatch, tmp_path, program
):
    monkeypatch.setattr(stamps, "MOST", 100)
    want = stamped(pictures)
    monkeypatch.setattr(stamps, "MOST", 3)
    if program is None:
        monkeypatch.setattr(sys, "executable", str(tmp_path / "no python"))
    else:
        monkeypatch.setattr(stamping, "__file__", str(tmp_path / "program.py"))
        (tmp_path / "program.py").write_text(program)
    assert stamped(pictures) == want


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "z/2.png").unlink(),
        lambda root: (root / "z/4.png").write_bytes(b"4"),
        lambda root: (root / "z/2.png").write_bytes(b"2 and more"),
        lambda root: (root / "z/2.png").rename(root / "z/5.png"),
        lambda root: (root / "z/2.png").rename(root / "b/2.png"),
        lambda root: (root / "z").rename(root / "y"),
        lambda root: os.utime(root / "z/2.png", ns=(0, (root / "z/2.png").stat().st_mtime_ns)),
    ],
    ids=["gone", "new", "written", "renamed", "moved", "folder renamed", "times set back"],
)
def test_every_change_of_an_image_changes_the_digest(pictures, change):
    before = stamped(pictures).digest
    change(pictures)
    assert stamped(pictures).digest != before


def test_other_files_do_not_change_it(pictures):
    before = stamped(pictures).digest
    (pictures / "notes.txt").write_bytes(b"")
    (pictures / "empty").mkdir()
    assert stamped(pictures).digest == before


def test_the_path_of_the_root_does_not_matter(pictures, monkeypatch):
    want = stamped(pictures)
    monkeypatch.chdir(pictures)
    for root in (".", "../root", str(pictures) + "/"):
        assert stamped(type(pictures)(root)) == want


def test_dead_links_and_pipes_have_no_stamp(pictures):
    os.mkfifo(pictures / "z/pipe.png")
    (pictures / "z/dead.png").symlink_to("nowhere")
    there = os.open(pictures / "z", os.O_RDONLY)
    try:
        for name in (b"pipe.png", b"dead.png", b"never was.png"):
            assert stamping._stamp(name, there) == ()
        assert stamping._stamp(b"1.png", there)[0] == len("z/1.png")
    finally:
        os.close(there)
    assert stamped(pictures).images == len(NAMES) + 3


def test_a_folder_that_goes_before_its_files_are_asked_after(pictures, monkeypatch):
    def gone(folder, names):
        raise FileNotFoundError(2, "No such file or directory", folder)

    monkeypatch.setattr(stamps, "digest_of", gone)
    with pytest.raises(UserError, match="root went away while it was read; run again"):
        stamped(pictures)


def test_an_empty_folder_and_a_missing_one(tmp_path):
    with pytest.raises(UserError, match="no images in it or below"):
        stamped(tmp_path)
    with pytest.raises(UserError, match="no such folder"):
        stamped(tmp_path / "none")


def test_a_decoded_folder_is_not_listed_again(paint, monkeypatch):
    """A list of its files is what takes memory."""
    for number in range(4):
        paint(f"{number}.png", number)
    data = open_data(f"folder:{paint.root}")
    monkeypatch.setattr(folder, "listed", lambda *given, **more: pytest.fail("listed"))
    assert open_data(f"folder:{paint.root}").fingerprint == data.fingerprint
