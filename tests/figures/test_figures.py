"""`steadygan figures`."""

import csv
import json
import shutil
import sys

import numpy as np
import pytest
from PIL import Image

from steadygan import cli
from steadygan.errors import UserError
from steadygan.figures import draw_figures
from steadygan.figures.draw import FIGURES
from steadygan.figures.style import Look
from steadygan.records import read_history
from steadygan.report.read import read_folder
from steadygan.training import LogSchedule, train
from tests.reliability import games
from tests.study.test_table import written

pytest.importorskip("matplotlib")


def rows_of(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    schedule = LogSchedule(log_every=1, save_every=0, sample_every=2)
    return train(games.small("infogan"), games.images(), out=tmp_path_factory.mktemp("f") / "run",
                 steps=4, device="cpu", schedule=schedule)  # fmt: skip


@pytest.mark.parametrize("form", ["pdf", "png"])
def test_a_run_has_what_it_has_data_for(form, run, tmp_path):
    out = draw_figures(run, tmp_path / "out", form=form, command="the command", say=games.quiet)
    names = {path.stem for path in out.glob(f"*.{form}")}
    assert names == {"losses", "weights", "samples", "codes"}
    assert {path.stem for path in out.glob("*.csv")} == names
    text = (out / "README.md").read_text(encoding="utf-8")
    assert "the command" in text
    assert all(f"`{name}.{form}`" in text for name in names)


def test_the_data_of_a_figure_are_those_of_the_run(run, tmp_path):
    out = draw_figures(run, tmp_path / "out", only=["losses"], say=games.quiet)
    rows = [row for row in rows_of(out / "losses.csv") if row["panel"] == "loss of the generator"]
    lines = [line for line in read_history(run) if "g_loss" in line]
    assert [float(row["step"]) for row in rows] == [line["step"] for line in lines]
    wanted = [line["g_loss"] for line in lines]
    assert np.allclose([float(row["mean"]) for row in rows], wanted, rtol=1e-4)


def test_panels_show_the_same_latents_and_cut_between_samples(run, tmp_path):
    draw = FIGURES["samples"](read_folder(run), 3.35)
    (shown,) = draw.picture.axes[0].images
    (row,) = draw.rows
    with Image.open(run / row[2]) as grid:
        wanted = np.asarray(grid.convert("RGB"))[: 4 * 18 + 2, : 4 * 18 + 2]
    assert np.array_equal(shown.get_array(), wanted)


def test_a_picture_elsewhere_that_a_history_names_is_not_shown(run, tmp_path):
    copy = shutil.copytree(run, tmp_path / "copy")
    shutil.copyfile(next((run / "samples").glob("*.png")), tmp_path / "secret.png")
    line = {"step": 9, "images": 1, "seconds": 1.0, "samples": "../secret.png"}
    with open(copy / "history.jsonl", "a") as file:
        file.write(json.dumps(line) + "\n")
    draw = FIGURES["samples"](read_folder(copy), 3.35)
    assert [row[2] for row in draw.rows] == ["samples/step-000004.png"]


def test_a_study_has_curves_with_bands_and_points_by_seed(tmp_path):
    study = written(tmp_path / "study")
    out = draw_figures(study, tmp_path / "out", form="svg", width="double", say=games.quiet)
    assert {path.stem for path in out.glob("*.svg")} == {
        "quality-images", "quality-time", "stability"}  # fmt: skip
    curves = rows_of(out / "quality-images.csv")
    last = [row for row in curves if row["method"] == "dcgan"][-1]
    assert (float(last["low"]), float(last["mean"]), float(last["high"])) == (50.0, 52.0, 54.0)
    assert last["seeds"] == "3"
    scores = [row for row in rows_of(out / "stability.csv") if row["part"] == "score"]
    assert len({(row["method"], row["seed"]) for row in scores}) == len(scores) > 3


def test_the_same_study_gives_the_same_bytes(run, tmp_path):
    for form in ("pdf", "svg"):
        first, second = (
            draw_figures(run, tmp_path / f"{form}{i}", form=form, only=["losses"], say=games.quiet)
            for i in range(2)
        )
        name = f"losses.{form}"
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_fonts_are_embedded(run, tmp_path):
    out = draw_figures(run, tmp_path / "out", only=["losses"], say=games.quiet)
    text = (out / "losses.pdf").read_bytes()
    assert b"/FontFile2" in text
    assert b"/Type3" not in text


def test_methods_are_told_apart_without_colour():
    looks = [Look.of(place) for place in range(8)]
    assert len({(look.marker) for look in looks}) == 8
    assert len({(str(look.dash), look.marker) for look in looks}) == 8


WRONG = {
    "a format": (("--format", "eps"), "--format eps: no such one"),
    "a width": (("--width", "wide"), "--width wide: no such one"),
    "a figure": (("--only", "loses"), "did you mean 'losses'"),
    "no data": (("--only", "stability"), "--only stability: "),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_one_line_and_leaves_nothing(case, run, tmp_path, monkeypatch, capsys):
    words, says = WRONG[case]
    command = ["steadygan", "figures", str(run), "--out", str(tmp_path / "out"), *words]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 2
    assert says in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_missing_library_is_named_with_the_command_that_installs_it(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UserError, match=r"pip install -c constraints.txt 'steadygan\[figures\]'"):
        draw_figures(run, tmp_path / "out", say=games.quiet)


def test_a_folder_that_is_there_is_left_alone(run, tmp_path):
    kept = shutil.copytree(run, tmp_path / "copy")
    with pytest.raises(UserError, match="is there already"):
        draw_figures(run, kept, say=games.quiet)
