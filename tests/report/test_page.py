"""The page as a whole: one valid file with the right numbers, that opens offline and is safe."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

import steadygan.report
from steadygan.errors import UserError
from steadygan.report import write_report
from steadygan.report.page import prose


def data_of(page):
    return json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])


def report(folder):
    return write_report(folder).read_text(encoding="utf-8")


def test_the_study_shows_its_numbers(study_page, make):
    page = make.Page(study_page)
    assert page.open == []
    for words in (
        "Five GAN methods on mnist",
        "4 of 5 finished runs show digits; recognised: 7 % to 83 % of a run's samples.",
        "steadygan compare gan dcgan infogan wgan wgan-gp --data mnist --budget 45s preset=light",
        "9,000 to train on, 1,000 held out",
        "45.0 s of training a run",
        "cpu · fp32 · 2 threads",
        "shows no digits: 7 % of its samples are recognised (against 99 % of real images",
        "its schedules had not run their course. Seen: gan 4 %; dcgan 3 %",
        "noise 1 % · real 99 %",
        "1,068,545",  # parameters of G
        "1,991",  # gan's images a second: 1400 * 64 / 45
        "80.4",  # wgan-gp's ms a step: 45 s / 560
        "clipped to ±0.01: 52 % in the bins at the bounds",
        "on_d gradient-penalty — — — — yes",
        "losses of different objectives are not comparable by value",
        "Settled at the earliest step from which",
        "None: every file of the data decoded whole.",
    ):
        assert words in page.said, words


def test_extremes_in_the_page_are_those_of_the_history(study_page, make):
    lines = make.history("dcgan", steps=900)
    low = min(lines, key=lambda line: line["g_loss"])
    assert f"{low['g_loss']:.4g} {low['step']:,}" in make.Page(study_page).said


def test_the_curves_in_the_page_are_those_of_the_history(study_page, make):
    data = data_of(study_page)
    assert [run["label"] for run in data["runs"]] == ["gan", "dcgan", "infogan", "wgan", "wgan-gp"]
    assert [run["colour"] for run in data["runs"]] == [0, 1, 2, 3, 4]
    logged = [line["d_loss"] for line in make.history("gan", steps=1400)]
    drawn = next(c for c in data["charts"] if c["kind"] == "curves")["lines"][0]
    assert drawn["y"] == pytest.approx(logged, rel=1e-4)
    assert data["runs"][0]["axes"][0] == [line["step"] for line in make.history("gan", steps=1400)]
    places = re.findall(r'data-chart="(\d+)"', study_page)
    assert sorted(map(int, places)) == list(range(len(data["charts"])))
    bars = [chart for chart in data["charts"] if chart["kind"] == "bars"]
    assert [(chart["run"], chart["bound"]) for chart in bars] == [(3, 0.01), (4, None)]


def test_samples_are_aligned_by_images_seen(study_page, make):
    frames = data_of(study_page)["frames"]
    assert [frame["images"] for frame in frames[4]] == [f["images"] for f in frames[0]][:-1]
    last = re.findall(r'<img src="data:image/png;base64,', study_page)
    assert len(last) == 5 + 1  # each run's last grid and InfoGAN's codes stand in the page


def test_the_page_is_one_file_that_loads_nothing(study_page, make):
    page = make.Page(study_page)
    assert not re.search(r"https?://", study_page, re.IGNORECASE)
    assert study_page.count("* plotly.js v") == 1
    for _, attrs in page.tags:
        for name, value in attrs:
            assert name not in ("href", "srcset", "action", "data"), (name, value)
            assert name != "src" or value.startswith("data:image/png;base64,")
            assert not name.startswith("on")
    policy = next(
        dict(attrs)["content"] for tag, attrs in page.tags if ("http-equiv" in dict(attrs))
    )
    assert policy.startswith("default-src 'none'; img-src data: blob:;")
    own = "".join(page.scripts).split("* plotly.js v")[0]
    assert "url(" not in own
    assert "@import" not in own


def test_plotlys_script_is_whole_but_for_the_written_form_of_addresses(study_page):
    from plotly.offline import get_plotlyjs

    inner = max(re.findall(r"<script>(.*?)</script>", study_page, re.DOTALL), key=len)
    assert inner.replace(":\\/\\/", "://") == get_plotlyjs().replace(":\\/\\/", "://")


def test_the_charts_are_valid_plotly(study_page):
    """The names of traces and dashes that the script uses are known to plotly."""
    import plotly.graph_objects as go

    for dash in ("solid", "dash", "dot", "dashdot", "longdash", "6px,3px"):
        go.Figure(go.Scatter(line={"dash": dash}, connectgaps=True))
    go.Figure(layout={"hovermode": "x unified", "dragmode": False})


def test_words_of_any_script_stand_as_written(make, tmp_path):
    info = make.run_json("gan") | {"name": "设计图-s0"}
    info["data"]["class_names"] = ["零", "一", "二"]
    said = make.Page(report(make.write_run(tmp_path / "图", info, []))).said
    assert "3 classes: 零, 一, 二" in said
    assert "设计图-s0" in said


def test_a_failed_run_and_a_missing_one_are_said_plainly(make, tmp_path):
    status = {
        "state": "failed",
        "reason": "D's loss is not finite at step 0, layer conv3",
        "step": 0,
    }
    info = make.run_json("wgan", status=status, measures={})
    make.write_run(tmp_path / "runs" / "wgan-s0", info, [])
    make.write_run(tmp_path / "runs" / "gan-s0", make.run_json("gan"), make.history("gan"))
    (tmp_path / "runs" / "torn").mkdir()
    (tmp_path / "runs" / "torn" / "run.json").write_text("{", encoding="utf-8")
    runs = ["runs/gan-s0", "runs/wgan-s0", "runs/later-s0", "runs/torn", "../../etc"]
    page = make.Page(report(make.write_study(tmp_path, runs)))
    assert "wgan failed at step 0: D's loss is not finite at step 0, layer conv3" in page.said
    assert "later-s0 is not started: there is no run folder yet" in page.said
    assert re.search(r"torn failed at step —: \S+run.json: cannot be read", page.said)
    assert "2 runs failed." in page.said
    callouts = [dict(attrs)["class"] for tag, attrs in page.tags if "class" in dict(attrs)]
    assert callouts.count("notice bad") == 2


@pytest.mark.parametrize("info", [{}, {"status": None, "recipe": [], "data": 3, "measures": "x"}])
def test_any_key_may_be_absent(info, make, tmp_path):
    page = make.Page(report(make.write_run(tmp_path, info, [])))
    assert page.open == []
    assert "No step was logged." in page.said
    make.write_study(tmp_path, [], command=None, data=None, budget_seconds=None)
    assert make.Page(report(tmp_path)).open == []


def test_a_single_run_has_the_same_report_without_comparisons(make, tmp_path):
    lines = make.history("infogan")
    info = make.run_json("infogan", quarantine=[{"path": "x.png", "reason": "truncated"}])
    said = make.Page(report(make.write_run(tmp_path, info, lines))).said
    assert "The run shows digits: 78 % of its samples are recognised." in said
    assert "Seen: 57,600 of 2,000,000 images (3 %)." in said
    assert "x.png truncated" in said
    assert "What the codes do" in said
    assert "What differs" not in said
    assert "d_optimizer adam" in said


def test_the_table_of_classes_stands_with_the_samples_and_its_names(make, tmp_path):
    info = make.run_json("acgan")
    info["data"]["class_names"] = ["T-shirt", "<b>bag</b>", "永"]
    lines = make.history("acgan")
    page = report(make.write_run(tmp_path / "one", info, lines))
    parsed = make.Page(page)
    assert parsed.open == []
    assert "Class by class latents, the same in every row T-shirt <b>bag</b> 永" in parsed.said
    assert "What the codes do" not in parsed.said
    shown = [dict(attrs).get("alt") for tag, attrs in parsed.tags if tag == "img"]
    assert shown[:2] == ["Grid of samples", "Table of classes"]
    make.write_run(tmp_path / "runs" / "acgan-s0", info, lines)
    other = tmp_path / "runs" / "infogan-s0"
    make.write_run(other, make.run_json("infogan"), make.history("infogan"))
    study = make.write_study(tmp_path, ["runs/acgan-s0", "runs/infogan-s0"])
    said = make.Page(report(study)).said
    assert "infogan What the codes do" in said
    assert "acgan Class by class" in said


def test_the_report_is_written_whole_or_not_at_all(make, tmp_path, monkeypatch):
    folder = make.write_run(tmp_path / "run", make.run_json("gan"), [])
    assert write_report(folder) == folder / "report.html"
    before = (folder / "report.html").read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(UserError, match="disk is full"):
        write_report(folder)
    assert (folder / "report.html").read_bytes() == before
    assert not list(folder.glob(".*"))


def test_a_long_study_is_quick_and_light(make, tmp_path):
    lines = make.history("wgan-gp", lines=20_000, steps=200_000)
    make.write_run(tmp_path, make.run_json("wgan-gp"), lines, pictures=False)
    start = time.process_time()
    page = report(tmp_path)
    assert time.process_time() - start < 6
    assert len(page) < 6_000_000


def test_the_report_imports_no_torch_and_of_other_folders_names_and_arithmetic_alone():
    """Under a bare parent package, so that only what the report itself imports counts."""
    root = Path(steadygan.report.__file__).parents[1]
    code = f"""
import sys, types
parent = types.ModuleType("steadygan"); parent.__path__ = [{str(root)!r}]
sys.modules["steadygan"] = parent
import steadygan.report
print([name for name in sys.modules if name.partition(".")[0] == "torch"])
parts = {{name for name in sys.modules if name.startswith("steadygan.")}}
print({{name for name in parts if not name.startswith("steadygan.report.")}})
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    torch, parts = done.stdout.splitlines()
    assert torch == "[]"
    assert sorted(json.loads(parts.replace("'", '"').replace("{", "[").replace("}", "]"))) == [
        "steadygan.diagnosis",
        "steadygan.diagnosis.finding",
        "steadygan.errors",
        "steadygan.files",
        "steadygan.locks",
        "steadygan.metrics",
        "steadygan.metrics.names",
        "steadygan.records",
        "steadygan.records.looking",
        "steadygan.records.rates",
        "steadygan.records.reading",
        "steadygan.records.schemas",
        "steadygan.report",
        "steadygan.spec",
        "steadygan.stability",
        "steadygan.stability.curve",
        "steadygan.stability.score",
        "steadygan.stability.signals",
    ]


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("train on with `steadygan resume <RUN>` & see",
         "train on with <code>steadygan resume &lt;RUN&gt;</code> &amp; see"),
        ("`a` and `b`", "<code>a</code> and <code>b</code>"),
        ("<b> is no mark", "&lt;b&gt; is no mark"),
        ("one that is `not closed <i>", "one that is `not closed &lt;i&gt;"),
    ],
)  # fmt: skip
def test_commands_in_sentences_are_set_as_code_and_nothing_else_is_markup(said, shown):
    assert prose(said) == shown
