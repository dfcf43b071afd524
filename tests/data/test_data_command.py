"""`steadygan data list`, `show` and `build folder`, as typed."""

import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from steadygan.cli import app
from steadygan.cli.options import opened
from steadygan.data import SOURCES
from steadygan.errors import UserError
from steadygan.study.request import read_request


def run(*words):
    result = CliRunner().invoke(app, ["data", *map(str, words)], catch_exceptions=True)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def source(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    chance = np.random.default_rng(0)
    for number in range(20):
        path = tmp_path / "src" / ("永" if number % 2 else "chair") / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        blocks = chance.integers(0, 256, (4, 4, 3), dtype=np.uint8).repeat(5, 0).repeat(5, 1)
        Image.fromarray(blocks).save(path)
    (tmp_path / "src" / "永" / "bad.png").write_bytes(b"?")
    return tmp_path / "src"


def test_list_names_every_source_and_where_its_files_come_from():
    said = run("list").stdout
    for source in SOURCES.values():
        assert f"{source.usage} " in said
        assert f"to get it: {source.missing}" in said


def test_build_folder_then_show(source, tmp_path):
    result = run("build", "folder", source, tmp_path / "out", "--size", 16, "--split", 0.8)
    assert result.stdout == f"folder:{tmp_path / 'out'}\n"
    assert "left out 永/bad.png: no PNG" in result.stderr
    assert "21 files: 20 images in 2 classes, 1 left out" in result.stderr
    assert "--licence TEXT states it" in result.stderr
    shown = run("show", result.stdout.strip(), "size=16")
    assert "16 to train on, 4 held out" in shown.stdout
    assert "sheet        folder-sheet.png; rows from the top: chair, 永" in shown.stdout
    with Image.open(tmp_path / "folder-sheet.png") as sheet:
        assert sheet.format == "PNG"
    facts = json.loads(run("show", result.stdout.strip(), "size=16", "--json").stdout)
    assert facts["counts"] == {"chair": {"train": 8, "test": 2}, "永": {"train": 8, "test": 2}}


def test_show_refuses_what_it_does_not_know(source, tmp_path):
    for words, said in (
        (("ring", "--out", "x.jpg"), "wants NAME.png"),
        (("mnist", "batch=3"), "batch= means nothing here"),
        (("mnits",), "did you mean 'mnist'"),
        ((f"folder:{source}",), "1 of 21 images cannot be decoded"),
    ):
        with pytest.raises(UserError, match=said):
            run("show", *words)
    assert "left out     1 files" in run("show", f"folder:{source}", "allow_bad=true").stdout


def test_points_have_counts_and_no_sheet(source, tmp_path):
    said = run("show", "ring").stdout
    assert "50,000 to train on, 10,000 held out" in said
    assert "classes      8" in said
    assert "sheet" not in said


def test_show_overwrites_nothing_without_force(source, tmp_path):
    words = ("show", f"folder:{source}", "size=16", "allow_bad=true")
    mine = tmp_path / "mine.png"
    mine.write_text("mine")
    with pytest.raises(UserError, match=r"--out .*mine.png: exists; --force overwrites it"):
        run(*words, "--out", mine)
    assert mine.read_text() == "mine"
    run(*words, "--out", mine, "--force")
    first = mine.read_bytes()
    assert first.startswith(b"\x89PNG")
    sheet = tmp_path / "folder-sheet.png"
    sheet.write_text("mine")
    assert "sheet        folder-sheet-2.png" in run(*words).stdout
    assert "sheet        folder-sheet-3.png" in run(*words).stdout
    assert sheet.read_text() == "mine"
    assert "sheet        folder-sheet.png" in run(*words, "--force").stdout
    assert sheet.read_bytes() == first


def test_show_and_build_say_what_was_lost(source, tmp_path):
    (source / "a.heic").write_bytes(b"?")
    Image.new("RGB", (9, 12)).save(source / "chair" / "tall.png")
    said = run("show", f"folder:{source}", "allow_bad=true").stdout
    assert "note         left out: 1 .heic (convert them to PNG)\n" in said
    assert "note         1 of 21 images are not square" in said
    said = run("build", "folder", source, tmp_path / "out").stderr
    assert "note: left out: 1 .heic (convert them to PNG)\n" in said


def test_a_command_says_notes_and_the_first_of_many_files_left_out(source, capsys):
    for number in range(12):
        (source / "chair" / f"bad{number:02}.png").write_bytes(b"")
    (source / "a.heic").write_bytes(b"?")
    opened(f"folder:{source}", read_request(["allow_bad=true", "size=16"]))
    lines = capsys.readouterr().err.splitlines()
    assert lines[:2] == [
        "note: left out: 1 .heic (convert them to PNG)",
        "left out chair/bad00.png: empty file",
    ]
    assert lines[-1] == "left out 3 more; run.json lists all"
    assert len(lines) == 12
