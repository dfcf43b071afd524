"""What the report shows of quality and stability: the numbers of the run folders and tables."""

import json
import math
import re
from statistics import mean, stdev

import pytest

from steadygan.report import (
    bands,
    differences,
    losses,
    notices,
    quality,
    samples,
    signals,
    steady,
    text,
    write_report,
)
from steadygan.report.read import Run, read_folder

LEVELS = {"gan": [40.0, 44.0, 48.0], "wgan": [50.0, 50.0, 50.0], "dcgan": [20.0, 22.0, 24.0]}


def with_grids(study, make):
    """Puts a grid at the last step and one at the best evaluation into each run of a study."""
    make.grid(study / "best.png", 1.0)
    make.grid(study / "last.png", 0.5)
    for run in study.glob("runs/*"):
        (run / "samples").mkdir()
        for at in ("best", "last"):
            (run / f"samples/{at}.png").write_bytes((study / f"{at}.png").read_bytes())
        info = json.loads((run / "run.json").read_text())
        step = info["measures"]["quality"]["best"]["step"]
        info["best"] = {"step": step, "samples": "samples/best.png"}
        (run / "run.json").write_text(json.dumps(info))
        lines = (run / "history.jsonl").read_text().splitlines()
        last = json.loads(lines[-1]) | {"samples": "samples/last.png"}
        (run / "history.jsonl").write_text("\n".join([*lines[:-1], json.dumps(last)]))
    return study


@pytest.fixture(scope="module")
def folder(make, tmp_path_factory):
    path = tmp_path_factory.mktemp("seeded")
    return with_grids(make.seeded_study(path, LEVELS, pictures=False), make)


@pytest.fixture(scope="module")
def page(folder):
    return write_report(folder).read_text(encoding="utf-8")


@pytest.fixture
def study(folder):
    return read_folder(folder)


def data_of(page):
    return json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])


# ---- curves over seeds -------------------------------------------------------------------------


def test_seeds_on_their_own_places_are_brought_to_one_grid():
    found = bands.over_seeds([[(0, 0.0), (10, 10.0)], [(0, 4.0), (4, 8.0), (10, 2.0)]])
    assert found["x"] == [0, 4, 10]
    assert found["y"] == [2.0, 6.0, 6.0]  # the first is 4 at 4, by a straight line
    assert found["low"] == [0.0, 4.0, 2.0]
    assert found["high"] == [4.0, 8.0, 10.0]
    assert found["n"] == [2, 2, 2]


def test_a_seed_that_ended_early_is_left_out_after_its_end():
    found = bands.over_seeds([[(0, 1.0), (5, 1.0)], [(0, 3.0), (10, 3.0)], [(1, 5.0), (10, 5.0)]])
    assert dict(zip(found["x"], zip(found["n"], found["y"], strict=True), strict=True)) == {
        1: (3, 3.0), 5: (3, 3.0), 10: (2, 4.0)}  # fmt: skip


def test_seeds_that_end_within_a_moment_of_each_other_end_together():
    """Budgets of time end at a different hundredth: no jump to the one that ran longest."""
    found = bands.over_seeds([[(0, 1.0), (60.02, 1.0)], [(0, 3.0), (60.9, 3.0)]])
    assert found["x"] == [0, 60.02]
    assert found["n"] == [2, 2]


def test_long_histories_are_thinned_to_the_same_ends():
    seeds = [[(float(i), float(i)) for i in range(shift, 5000)] for shift in (0, 3)]
    found = bands.over_seeds(seeds)
    assert len(found["x"]) == bands.MOST_PLACES
    assert (found["x"][0], found["x"][-1], found["y"][-1]) == (3, 4999, 4999.0)
    assert set(found["n"]) == {2}


def test_no_point_is_no_curve():
    assert bands.over_seeds([[], []])["x"] == []
    lines = [{"step": 1, "fid": 3.0}, {"step": 2, "fid": None}]
    (band,) = bands.bands([Run(None, {}, lines, family="a")], [[3.0, None]])
    assert [at["y"] for at in band.axes] == [[3.0], [], []]
    assert band.values == [3.0, 3.0]


def test_the_distance_is_drawn_over_images_and_time_with_real_images_and_noise(study):
    main, *others = quality.quality_charts(study.runs)
    assert (main.title, main.key, main.tall) == ("FID-classifier ↓", "fid", True)
    assert [chart.key for chart in others] == ["precision", "recall"]
    assert (main.log, main.guides) == (True, [(0.33, "real images"), (262.0, "noise")])
    dcgan = next(band for band in main.lines if band.name == "dcgan")
    _, images, seconds = dcgan.axes
    assert images["x"][0] == 0
    assert images["y"][0] == 200.0
    assert min(images["y"]) == pytest.approx(22.0)
    assert (min(images["low"]), images["n"][0]) == (20.0, 3)
    assert seconds["x"][-1] == pytest.approx(45.0)


def test_real_images_far_below_the_curves_do_not_flatten_them(make):
    info, lines = make.judge(make.run_json("gan"), make.history("gan"), 20.0)
    info["evaluation"]["real"] = 0.1
    chart, *_ = quality.quality_charts([Run(None, info, lines, family="gan")])
    assert chart.log
    assert [name for _, name in chart.guides] == ["noise"]
    assert 15 < chart.limits[0] < 20
    info["evaluation"]["real"] = 5.0
    chart, *_ = quality.quality_charts([Run(None, info, lines, family="gan")])
    assert chart.guides == [(5.0, "real images"), (262.0, "noise")]
    assert chart.limits[0] < 5


# ---- tables ------------------------------------------------------------------------------------


def test_the_table_holds_means_with_intervals_and_marks_nobody_without_a_leader(study):
    last, best = quality.quality_tables(study)
    assert (last.at, best.at) == ("last", "best")
    assert [row.name for row in last.rows] == ["gan", "wgan", "dcgan"]
    assert last.metrics[0].title == "FID-classifier"
    assert last.rows[2].cells[0] == quality.Cell("24.2 ± 0.25", "22.7 to 26.7", False)
    assert best.rows[0].cells[0] == quality.Cell("44 ± 0.25", "42.5 to 46.5", False)
    assert not any(cell.best for table in (last, best) for row in table.rows for cell in row.cells)
    assert last.rows[0].seeds == "3 of 3"
    assert last.real == ["0.57", "9.5", "0.87", "0.86", "212"]


@pytest.mark.parametrize(("shows", "marked"), [(True, ["dcgan"]), (False, []), (1, [])])
def test_a_leader_is_marked_at_the_last_step_if_its_runs_show_their_data(shows, marked, study):
    study.tables["leaders"] = {"fid": {"name": "dcgan", "shows_data": shows}}
    last, best = quality.quality_tables(study)
    assert [row.name for row in last.rows if row.cells[0].best] == marked
    assert not any(cell.best for row in last.rows for cell in row.cells[1:])
    assert not any(cell.best for row in best.rows for cell in row.cells), "nothing is tested there"


@pytest.mark.parametrize("torn", [None, "{", '{"entries": 7, "metrics": "x", "runs": [1]}'])
def test_without_tables_the_runs_themselves_are_the_numbers(torn, folder, tmp_path):
    import shutil

    copy = tmp_path / "s"
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("*.png", "report.html"))
    (copy / "tables.json").unlink()
    if torn is not None:
        (copy / "tables.json").write_text(torn)
    found = read_folder(copy)
    last, best = quality.quality_tables(found)
    levels = LEVELS["gan"]
    assert best.rows[0].cells[0].said == f"{mean(levels):.4g} ± {stdev(levels):.2g}"
    assert not best.intervals
    assert bool(found.tables_problem) == (torn == "{")
    assert not any(row.cells[0].best for row in last.rows), "the least mean is no leader"
    assert quality.outcome(found) == ""


def test_the_page_says_what_every_number_stands_on(page, make):
    said = make.Page(page).said
    features = "features classifier 8b353e29255e, right about 99 % of held-out; seeds 0, 1, 2."
    assert f"10,000 samples a run; {features}" in said
    assert f"2,000 samples an evaluation; every 5% of the run; {features}" in said
    assert "The distance is 0.33 for as many real images and 262 for noise." in said
    assert "FID: no method is better than every other by the study's test." in said
    assert "Lowest" not in said.partition("At a glance")[0]
    assert "Highest" not in said.partition("At a glance")[0]
    assert "below it the 95 % interval of the mean by Student’s t" in said


def test_runs_judged_by_other_features_are_a_warning(folder, make, tmp_path):
    make.seeded_study(tmp_path, {"gan": [40.0, 41.0]}, pictures=False)
    place = tmp_path / "runs/gan-s1/run.json"
    info = json.loads(place.read_text())
    info["measures"]["quality"]["feature_hash"] = "f" * 64
    place.write_text(json.dumps(info))
    said = make.Page(write_report(tmp_path).read_text()).said
    assert "judged by different features, so their distances do not compare" in said


def test_features_that_d_looks_through_are_said_to_flatter(make, tmp_path):
    make.seeded_study(tmp_path, {"gan": [40.0, 41.0]}, pictures=False)
    assert "flatter" not in make.Page(write_report(tmp_path).read_text()).said
    place = tmp_path / "runs/gan-s1/run.json"
    info = json.loads(place.read_text())
    info["measures"]["quality"]["features"] = "effnet-96"
    info["recipe"]["networks"]["features"] = "effnet"
    place.write_text(json.dumps(info))
    said = make.Page(write_report(tmp_path).read_text()).said
    assert "gan: D looks through the network of these features" in said


def test_differences_are_those_that_hold_or_are_likely(study):
    (row,) = differences.rows(study)
    assert (row.one, row.other, row.mean, row.p) == ("gan", "dcgan", "12.5", "0.25")
    assert (row.interval, row.seeds, row.verdict) == ("3.25 to 21.75", "3 pairs", "likely")
    assert differences.said(study).startswith("Of 1 pairs")


def test_a_study_that_has_only_begun_knows_its_methods(make, tmp_path):
    """Runs without a folder are seeds of their methods by their names, and are said together."""
    make.seeded_study(tmp_path, {"gan": [40.0], "dcgan": [20.0]}, lines=30, pictures=False)
    runs = [f"runs/{method}-s{seed}" for method in ("gan", "dcgan", "wgan") for seed in range(3)]
    make.write_study(tmp_path, runs)
    said = make.Page(write_report(tmp_path).read_text()).said
    assert "Three GAN methods on mnist" in said
    assert "7 runs are not started: there is no run folder yet" in said
    assert "1 of 1 show digits, 1 of 3 judged 1 finished, 2 not started" in said
    assert "2 of 2 finished runs show digits" in said
    found = read_folder(tmp_path)
    assert [row.seeds for row in quality.quality_tables(found)[0].rows] == ["1 of 3", "1 of 3"]
    found.runs[0].info["measures"]["recognisable"] |= {"shows_data": False, "share": 0.07}
    texts = [notice.text for notice in notices.notices(found)]
    assert "1 of 1 judged runs show no digits: 7 % recognised" in texts


def test_what_is_shown_as_quality_is_no_signal(study):
    keys = {chart.key for group in signals.signal_groups(study.runs) for chart in group.charts}
    assert "g_gradient_norm" in keys
    assert not keys & {"fid", "precision", "evaluate_seconds"}


def test_signals_of_several_seeds_are_a_band_a_method(study):
    groups = signals.signal_groups(study.runs)
    charts = [c for group in groups for c in group.charts if c.key == "g_gradient_norm"]
    assert [band.name for band in charts[0].lines] == ["gan", "wgan", "dcgan"]
    assert charts[0].lines[0].axes[1]["n"][0] == 3


def test_losses_over_seeds_have_a_row_a_method(study):
    (player, rows), _ = losses.method_rows(study.runs)
    assert (player, [row.name for row in rows]) == ("discriminator", ["gan", "wgan", "dcgan"])
    lines = [line for run in study.runs[:3] for line in run.history if "d_loss" in line]
    low = min(lines, key=lambda line: line["d_loss"])
    assert (rows[0].low, rows[0].low_step) == (f"{low['d_loss']:.4g}", str(low["step"]))
    last = [run.history[-1]["d_loss"] for run in study.runs[:3]]
    assert rows[0].last == text.plus_minus(mean(last), stdev(last))


def test_later_seeds_lose_their_grids_first(study):
    runs = study.runs[:3]
    frames = [[samples.Frame(k, 64.0 * k, k, bytes(100)) for k in range(6)] for _ in runs]
    kept, left_out = samples.lightened(runs, frames, 1800)
    assert ([len(mine) for mine in kept], left_out) == ([6, 6, 6], 0)
    kept, left_out = samples.lightened(runs, frames, 800)
    assert ([len(mine) for mine in kept], left_out) == ([6, 1, 1], 10)
    assert kept[1] == frames[1][-1:]
    kept, _ = samples.lightened(runs, frames, 400)
    assert [len(mine) for mine in kept] == [3, 0, 0]
    assert kept[0][-1] == frames[0][-1]


def test_precision_and_recall_have_a_dot_a_run_and_one_a_method(study):
    dots = quality.precision_recall(study).dots
    assert [dot.look for dot in dots] == ["run", "run", "run", "method"] * 3 + ["real"]
    assert (dots[3].name, dots[3].x, dots[3].y) == ("gan", pytest.approx(0.33), 0.5)
    assert (dots[-1].x, dots[-1].y, dots[-1].run) == (0.86, 0.87, None)


# ---- stability ---------------------------------------------------------------------------------


def test_the_score_is_learned_times_steadiness(study):
    """Distances fall to `level` at .8 of the run and rise to `last`: two equal steps on the grid,
    so that steadiness is the root of level / last (of excesses over the real level, .33)."""
    study.tables["entries"][2]["stability"] = {"interval": {"low": 0.21, "high": 0.4}}
    rows = {row.name: row for row in steady.score_rows(study, steady.stabilities(study.runs))}
    parts = dict(rows["dcgan"].parts)
    assert list(parts) == list(steady.PARTS)
    bests = [level - 0.33 for level in LEVELS["dcgan"]]
    lasts = [level + (200 - level) * 0.01 - 0.33 for level in LEVELS["dcgan"]]
    learned = [math.log((200 - 0.33) / best) / math.log((200 - 0.33) / 0.06) for best in bests]
    steadiness = [math.sqrt(best / last) for best, last in zip(bests, lasts, strict=True)]
    assert parts["learned"] == pytest.approx(mean(learned), abs=1e-6)
    assert parts["steadiness"] == pytest.approx(mean(steadiness))
    assert parts["no relapse"] == 1.0
    product = [a * b for a, b in zip(learned, steadiness, strict=True)]
    assert rows["dcgan"].score == pytest.approx(mean(product))
    assert (rows["dcgan"].scored, rows["dcgan"].interval) == ("3 of 3", "0.21 to 0.40")
    assert rows["gan"].interval == ""


def test_a_method_without_a_score_says_why_and_is_not_left_out(study, folder, make, tmp_path):
    for run in study.runs[:3]:
        kept = [line for line in run.history if "fid" in line][:2]
        run.history[:] = kept
    row = steady.score_rows(study, steady.stabilities(study.runs))[0]
    assert (row.name, row.score, row.scored) == ("gan", None, "0 of 3")
    assert row.unscored == ["1 evaluation after the start, a score wants 5"]
    info, lines = make.judge(make.run_json("gan"), make.history("gan", lines=40), 20.0)
    run = make.write_run(tmp_path, info, lines, pictures=False)
    said = make.Page(write_report(run).read_text()).said
    assert "No score: 2 evaluations after the start, a score wants 5." in said


def test_a_run_that_is_not_recognised_is_no_survivor(study):
    """wgan's samples are recognised at 7 %, dcgan's at 83 %; usable is a distance of 26.5."""
    wgan, dcgan = study.runs[3], study.runs[6]
    for line in wgan.history:
        line |= {"fid": 20.0} if line.get("fid", 200.0) < 200 else {}
    unlike, like = steady.stabilities([wgan, dcgan])
    assert unlike.reason == "its samples do not show the data (7% recognised, 3 classes seen)"
    assert like.survived


def test_what_the_score_is_made_of_is_said_with_the_reasons(study):
    study.runs[6].info["status"] = {"state": "failed", "reason": "NaN in D"}
    gan, _, dcgan = steady.sign_rows(study, steady.stabilities(study.runs))
    assert dcgan.before[0] == "2 of 3"
    assert dcgan.reasons == ["dcgan-s0: NaN in D"]
    assert dcgan.usable[0].endswith(" images")
    assert dcgan.usable[1].endswith(" in 3 of 3 runs")
    assert gan.before[0] == "0 of 3"
    assert gan.usable == ("", "")
    assert gan.reasons[0] == "gan-s0: its last distance is 41.6, usable is 26.5 or less"


@pytest.mark.parametrize("odd", ["x", [1], {"a": 1}, 10**400, None])
def test_odd_values_in_any_place_break_nothing(odd, make, tmp_path):
    """Any number of a run or of the tables may be missing or something else."""
    info, lines = make.judge(make.run_json("gan"), make.history("gan", lines=40), 20.0)
    for line in lines[::3]:
        line |= dict.fromkeys(("fid", "images", "seconds", "precision", "d_accuracy_real"), odd)
    info["measures"]["quality"] |= {"last": odd, "count": odd, "features": odd, "real": odd}
    info["evaluation"] |= {"real": odd, "noise": odd, "every": odd, "count": odd}
    info["best"] = {"step": odd, "samples": odd}
    make.write_run(tmp_path / "runs/gan-s0", info, lines, pictures=False)
    other, lines = make.judge(make.run_json("gan", 1), make.history("gan", 1, 40), 20.0)
    other |= {"evaluation": odd, "best": odd}
    make.write_run(tmp_path / "runs/gan-s1", other, lines, pictures=False)
    make.write_study(tmp_path, ["runs/gan-s0", "runs/gan-s1"])
    tables = make.tables({"gan": [20.0, 21.0]})
    tables["entries"][0]["quality"]["last"]["fid"] |= {"mean": odd, "low": odd}
    tables["metrics"].append(odd)
    tables["metrics"][1]["title"] = odd
    tables["differences"]["fid"][0] |= {"mean": odd, "low": odd, "n": odd, "one": odd}
    tables["differences"]["fid"].append({"verdict": odd})
    tables |= {"said_of_differences": odd}
    tables["runs"].append({"name": odd, "entry": odd})
    (tmp_path / "tables.json").write_text(json.dumps(tables))
    for folder in (tmp_path, tmp_path / "runs/gan-s0"):
        assert make.Page(write_report(folder).read_text()).open == []


# ---- pictures, and the page --------------------------------------------------------------------


def test_samples_at_best_stand_beside_the_last_ones(page, study, make):
    said = make.Page(page).said
    assert "best: step 720, FID-classifier 20" in said
    assert "last: step 900, FID-classifier 22" in said
    shown = [dict(attrs).get("alt") for tag, attrs in make.Page(page).tags if tag == "img"]
    assert shown.count("Grid of samples at best") == shown.count("Grid of samples at last") == 3


def test_where_the_best_is_the_last_one_picture_is_enough(make, tmp_path):
    info, lines = make.judge(make.run_json("gan"), make.history("gan", lines=40), 20.0)
    lines[-1]["samples"] = "samples/last.png"
    info["best"] = {"step": 900, "samples": "samples/best.png"}
    run = make.write_run(tmp_path, info, lines, pictures=False)
    make.grid(run / "samples/best.png", 1.0)
    make.grid(run / "samples/last.png", 1.0)
    page = make.Page(write_report(run).read_text())
    shown = [dict(attrs).get("alt") for tag, attrs in page.tags if tag == "img"]
    assert shown == ["Grid of samples", "Grid of samples at best", "Enlarged"]
    assert "best and last: step 900" in page.said


def test_a_single_run_shows_its_own_curve_and_numbers(make, tmp_path):
    info, lines = make.judge(make.run_json("gan"), make.history("gan"), 20.0)
    page = write_report(make.write_run(tmp_path, info, lines, pictures=False)).read_text()
    said = make.Page(page).said
    assert "FID-classifier 22 at the last step, 20 at its best (step 825)." in said
    assert "FID-classifier ↓ 22 20 0.57" in said
    assert "Inception" not in said
    assert data_of(page)["charts"][0]["kind"] == "bands"
    assert "Which differences hold" not in said
    assert "1 of 1" in said.partition("Survived")[2]


def test_a_study_of_45_runs_stays_readable_and_light(make, tmp_path):
    """15 methods by 3 seeds: a row and a chip a method, one grid a method before the fold."""
    levels = {f"m{k}": [20.0 + k, 21.0 + k, 22.0 + k] for k in range(15)}
    study = with_grids(make.seeded_study(tmp_path, levels, lines=30, pictures=False), make)
    page = write_report(study).read_text()
    assert len(page) < 25_000_000
    parsed = make.Page(page)
    assert parsed.open == []
    classes = [dict(attrs).get("class", "") for _, attrs in parsed.tags]
    chips = [name for name in classes if name and name.startswith("chip ")]
    assert len(chips) == len(set(chips)) == 15
    before = page.partition('<section id="samples">')[2].partition("<details>")[0]
    assert before.count('class="sample"') == 15
    assert page.count('class="sample"') == 45
    owners = [int(o) for o in re.findall(r'class="sample" data-owner="(\d+)"', before)]
    assert owners == list(range(0, 45, 3))
