"""The pieces of the report by value: numbers in words, recipes, curves, samples, histograms."""

import json

import pytest

from steadygan.errors import UserError
from steadygan.report import charts, losses, recipes, samples, signals, text, write_report
from steadygan.report.read import Run, Study, read_folder


def run_of(lines, **info):
    return Run(folder=None, info=info, history=lines, label="it", family="it")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (text.percent(0.834), "83 %"),
        (text.percent(0.004), "0.4 %"),
        (text.percent(0), "0 %"),
        (text.percent(0.996), "99.6 %"),
        (text.percent(1), "100 %"),
        (text.percent(None), "—"),
        (text.duration(45), "45.0 s"),
        (text.duration(200), "3 min 20 s"),
        (text.duration(300), "5 min"),
        (text.duration(7500), "2 h 05 min"),
        (text.figure(-0.016723), "−0.01672"),
        (text.figure(1e-4), "0.0001"),
        (text.figure(12345.6), "12,346"),
        (text.figure(10**400), "—"),
        (text.count(2_000_000), "2,000,000"),
        (text.words([0.5, 0.999]), "(0.5, 0.999)"),
        (text.words(True), "yes"),
        (text.words(5e-5), "5e-05"),
        (text.words([10.0, 2_000_000]), "(10, 2000000)"),
    ],
)
def test_numbers_in_words(said, expected):
    assert said == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("https://a.example/x", "a.example/x"),
        ("hthttp://tp://a", "a"),
        ("HTTPS:///a", "a"),
        ("gpj.\u202egnp\x00\ud800", "gpj.\ufffdgnp\ufffd\ufffd"),
        ({"http://k": [float("nan"), 1.5, "零"]}, {"k": [None, 1.5, "零"]}),
    ],
)
def test_clean_removes_addresses_and_hidden_marks(raw, expected):
    assert text.clean(raw) == expected


def test_recipes_flatten_parts_by_name():
    flat = recipes.flatten(
        {
            "objective": {"name": "non-saturating"},
            "on_d": [{"name": "gradient-penalty", "weight": 10.0}, {"name": "spectral-norm"}],
            "d_optimizer": {"name": "adam", "betas": [0.5, 0.999]},
            "networks": {"generator": {"name": "mlp", "width": 64}},
            "on_g": [],
        }
    )
    assert {".".join(path): value for path, value in flat.items()} == {
        "objective": "non-saturating",
        "on_d.gradient-penalty": True,
        "on_d.gradient-penalty.weight": 10.0,
        "on_d.spectral-norm": True,
        "d_optimizer": "adam",
        "d_optimizer.betas": [0.5, 0.999],
        "networks.generator": "mlp",
        "networks.generator.width": 64,
    }


def test_difference_keeps_only_what_differs_and_marks_the_absent():
    runs = [Run(None, {}, family=name) for name in ("a", "b", "b")]
    b = {("lr",): 2e-4, ("batch",): 64, ("clip", "bound"): 0.01}
    flats = [{("lr",): 1e-4, ("batch",): 64}, b, dict(b)]
    differs, shared = recipes.difference(runs, flats)
    assert differs.columns == [0, 1]  # seeds of one method share a column
    assert differs.sections == [
        ("lr", [("", ["0.0001", "0.0002"])]),
        ("clip", [("bound", ["—", "0.01"])]),
    ]
    assert shared.sections == [("batch", [("", ["64"])])]


def test_extremes_are_over_every_line_with_their_steps():
    lines = [{"step": s, "images": 64 * s, "d_loss": abs(s - 30) / 10} for s in range(1, 101)]
    lines[49]["d_loss"] = -2.5
    ((player, (row,)),) = losses.loss_rows([run_of(lines)])
    assert player == "discriminator"
    assert (row.low, row.low_step, row.high, row.high_step) == ("−2.5", "50", "7", "100")
    assert (row.last, row.settled) == ("7", "not settled")


def test_loss_parts_are_drawn_unless_the_sole_part_is_the_total():
    lines = [{"step": s, "d_loss": s, "d_loss/adversarial": s} for s in range(30)]
    chart = losses.loss_chart(0, run_of(lines), "d")
    assert [line.name for line in chart.lines] == ["logged", "smoothed"]
    for line in lines:
        line["d_loss/gradient-penalty"] = 1.0
        line["d_loss"] += 1
    chart = losses.loss_chart(0, run_of(lines), "d")
    names = [line.name for line in chart.lines]
    assert names == ["logged", "smoothed", "adversarial", "gradient-penalty"]


def test_every_numeric_key_gets_a_chart():
    keys = ["d_real_probability", "d_accuracy_fake", "d_score_real", "d_gradient_norm", "rank/7",
            "critic_gradient_norm", "q_gradient_norm", "d2_score", "lr"]  # fmt: skip
    lines = [{"step": s, "images": s, "note": "text", "flag": True} for s in range(5)]
    lines[3] |= dict.fromkeys(keys, 0.5)
    groups = {group.title: group.charts for group in signals.signal_groups([run_of(lines)])}
    shown = {chart.key for group in groups.values() for chart in group}
    assert shown - {""} == set(keys) - {"d_score_real", "d2_score"}
    assert [line.name for chart in groups["Score means"] for line in chart.lines] == ["real", "all"]
    own = {chart.key for chart in groups["The method's own signals"]}
    assert own == {"rank/7", "critic_gradient_norm", "lr"}
    assert {chart.log for chart in groups["Gradient norms"]} == {True}


def test_thinning_keeps_the_extremes_and_their_places():
    values = [float(i % 97) for i in range(100_000)]
    values[54_321] = 1e6
    kept = charts.thin(values)
    assert len(kept) == len(charts.thin_axis(values)) == charts.MOST_POINTS
    assert max(kept) == 1e6
    place = charts.thin_axis(list(range(100_000)))[kept.index(1e6)]
    assert abs(place - 54_321) <= 200


def test_the_first_view_leaves_out_rare_spikes_only():
    smooth = [i / 100 for i in range(100)]
    assert charts.central([charts.Line(0, smooth, "")]) is None
    low, high = charts.central([charts.Line(0, [*smooth, *smooth, 1e3], "")])
    assert low == 0
    assert 0.98 < high < 1.3


def test_sample_grids_stay_aligned_when_some_are_left_out(tmp_path, make):
    path = make.five_methods(tmp_path / "study")
    runs = read_folder(path).runs
    every = samples.sample_frames(runs)
    whole, none = samples.lightened(runs, every, samples.MOST_BYTES)
    assert none == 0
    assert [f.images for f in whole[1]][:3] == [1000, 1414, 2000]
    some, left_out = samples.lightened(runs, every, 1_500_000)
    assert left_out == sum(map(len, whole)) - sum(map(len, some)) > 0
    assert [mine[-1] for mine in some] == [mine[-1] for mine in whole]
    assert {f.images for f in some[4][:-1]} <= {f.images for f in some[0]}


def test_pictures_come_from_inside_the_run_folder_only(tmp_path, make):
    make.grid(tmp_path / "outside.png", 1.0)
    lines = [{"step": 1, "images": 64, "samples": "../outside.png"},
             {"step": 2, "images": 128, "samples": str(tmp_path / "outside.png")},
             {"step": 3, "images": 192, "samples": "run.json"},
             {"step": 4, "images": 256, "samples": "fake.png"},
             {"step": 5, "images": 320, "samples": 7}]  # fmt: skip
    make.write_run(tmp_path / "run", make.run_json("gan"), lines, pictures=False)
    (tmp_path / "run" / "fake.png").write_text("<svg onload=alert(1)>")
    assert samples.sample_frames(read_folder(tmp_path / "run").runs) == [[]]


def test_codes_know_their_rows_and_columns(tmp_path, make):
    folder = make.write_run(tmp_path, make.run_json("infogan"), make.history("infogan"))
    codes = samples.last_table("codes", 0, read_folder(folder).runs[0])
    assert (codes.rows, codes.columns) == (10, 10)
    assert codes.labels == [str(k) for k in range(10)]
    assert samples.last_table("classes", 0, read_folder(folder).runs[0]) is None


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        (["cat", "dog", "永"], ["cat", "dog", "永"]),
        ([f"class {k}" for k in range(25)], [f"class {k * 25 // 10}" for k in range(10)]),
        (None, []),
    ],
)
def test_rows_of_the_table_of_classes_carry_their_names(names, labels, tmp_path, make):
    """The rows are those of `swept_classes`: every class up to ten, else ten spread over all."""
    info = make.run_json("acgan")
    info["data"]["class_names"] = names
    run = read_folder(make.write_run(tmp_path, info, make.history("acgan"))).runs[0]
    table = samples.last_table("classes", 3, run)
    assert (table.kind, table.run, table.columns) == ("classes", 3, 10)
    assert table.labels == labels
    assert table.step == max(line["step"] for line in run.history if "classes" in line)
    assert samples.last_table("codes", 3, run) is None


def test_fewer_names_than_rows_name_none(tmp_path, make):
    folder = make.write_run(tmp_path, make.run_json("acgan"), make.history("acgan"))
    info = make.run_json("acgan")
    info["data"]["class_names"] = ["of another data set"]
    (folder / "run.json").write_text(json.dumps(info), encoding="utf-8")
    assert samples.last_table("classes", 0, read_folder(folder).runs[0]).labels == []


def test_histogram_shares_and_the_clip(make):
    line = {"step": 1, "weight_histogram": make.histogram("wgan")}
    bars = samples.weight_bars(0, run_of([line], recipe=make.recipe("wgan")))
    assert sum(bars.shares) == pytest.approx(1)
    assert bars.bound == 0.01
    assert samples.at_bound(bars) == pytest.approx(520 / 1000)
    line = {"step": 1, "weight_histogram": make.histogram("wgan-gp")}
    free = samples.weight_bars(0, run_of([line], recipe=make.recipe("wgan-gp")))
    assert (free.bound, samples.at_bound(free)) == (None, None)


def test_a_cut_off_history_is_read_up_to_the_cut(tmp_path, make):
    make.write_run(tmp_path, make.run_json("gan"), [])
    lines = [{"step": 2, "d_loss": 1}, {"step": 1}, {"step": 2, "d_loss": 3}, {"images": 5}]
    raw = "\n".join(json.dumps(line) for line in lines) + '\n\n{"step": 3, "d_lo'
    (tmp_path / "history.jsonl").write_text(raw, encoding="utf-8")
    run = read_folder(tmp_path).runs[0]
    assert run.history == [{"step": 1}, {"step": 2, "d_loss": 3}]
    assert run.bad_lines == 2


def test_a_folder_that_is_none_is_one_clear_line(tmp_path):
    with pytest.raises(UserError, match=r"is no run or study folder"):
        read_folder(tmp_path)
    (tmp_path / "run.json").write_text("[1", encoding="utf-8")
    with pytest.raises(UserError, match=r"run\.json: cannot be read"):
        read_folder(tmp_path)


def test_methods_beyond_the_colours_have_another_mark_and_dash(tmp_path, make):
    names = [f"m{k}-s{seed}" for k in range(17) for seed in (0, 1)]
    for name in names:
        info = make.run_json("gan") | {"name": name, "method": name[:-3]}
        make.write_run(tmp_path / name, info, [])
    runs = read_folder(make.write_study(tmp_path, names)).runs
    assert len({(run.colour, run.dash) for run in runs}) == 17
    assert [runs[2 * k].look for k in (0, 7, 8, 16)] == ["c0", "c7", "c0 k1", "c0 k2"]
    assert all(one.look == other.look for one, other in zip(runs[::2], runs[1::2], strict=True))


def test_seeds_share_a_colour_and_variants_do_not(tmp_path, make):
    names = ["gan-s0", "gan-s1", "dcgan-s0", "gan-b-s0"]
    for name in names:
        info = make.run_json(name.split("-")[0]) | {"name": name}
        make.write_run(tmp_path / name, info, [])
    runs = read_folder(make.write_study(tmp_path, names)).runs
    assert [run.label for run in runs] == names
    assert [run.colour for run in runs] == [0, 0, 1, 2]
    assert [run.dash for run in runs] == [0, 0, 0, 0]


# ---- the diagnosis -------------------------------------------------------------------------


def diagnosed(make, tmp_path, verdict="fault", **changes):
    """A page of a run with a diagnosis of `verdict`."""
    number = {"key": "g_travel", "value": 0.002, "healthy": "above .1", "steps": [10, 20]}
    head = {
        "name": "g-rate-too-low",
        "says": "it hardly moved",
        "confidence": 0.95,
        "numbers": [number],
        "advice": [{"settings": "lr=1", "why": "more <b>rate</b>"}],
    }
    found = {
        "verdict": verdict,
        "says": "it hardly moved",
        "headline": head,
        "effects": [{"name": "d-overpowers", "says": "D wins"}],
        "others": [],
        **changes,
    }
    lines = make.history("dcgan", lines=3)
    for n, line in enumerate(lines):
        line["probe"] = {"g_travel": 0.001 * (n + 1)}
    facts = {**make.run_json("dcgan"), "diagnosis": found}
    folder = make.write_run(tmp_path / "run", facts, lines, pictures=False)
    return make.Page(write_report(folder).read_text(encoding="utf-8"))


def test_the_first_line_and_a_section_say_what_went_wrong(make, tmp_path):
    page = diagnosed(make, tmp_path)
    assert "Diagnosis: fault: it hardly moved." in page.said
    assert "g-rate-too-low, confidence 95%" in page.said
    assert "0.002 above .1 10 to 20" in page.said
    assert "Explains d-overpowers: D wins." in page.said
    assert "steadygan train dcgan ... lr=1 more <b>rate</b>" in page.said, "as text, not as markup"
    (path,) = [dict(attrs)["d"] for tag, attrs in page.tags if tag == "path"]
    assert path.startswith("M60.0 ")
    assert path.count("L") == 2, "three probes"


def test_a_healthy_run_says_so_and_one_without_a_diagnosis_nothing(make, tmp_path):
    healthy = diagnosed(make, tmp_path / "a", verdict="healthy", headline=None)
    assert "Diagnosis: healthy" in healthy.said
    for bad in ({"verdict": "excellent"}, {"verdict": None}):
        assert "Diagnosis" not in diagnosed(make, tmp_path / str(bad), **bad).said


@pytest.mark.parametrize(
    ("name", "caption"),
    [("partial-collapse", "nearest to another one"), ("stale-average", "in training mode"),
     ("d-overpowers", "")],
)  # fmt: skip
def test_a_finding_is_shown_with_the_pictures_of_its_evidence(name, caption, make, tmp_path):
    from PIL import Image

    (tmp_path / "run" / "samples").mkdir(parents=True)
    for picture in ("twins", "modes"):
        Image.new("L", (8, 8)).save(tmp_path / "run" / "samples" / f"{picture}.png")
    page = diagnosed(make, tmp_path, effects=[{"name": name, "says": "x"}])
    every = [dict(attrs)["alt"] for tag, attrs in page.tags if tag == "img"]
    shown = [alt for alt in every if alt != "Enlarged"]
    assert len(shown) == bool(caption)
    assert all(caption in each for each in shown)


@pytest.mark.parametrize(
    ("healthy", "band"),
    [("0 to .15", (0.0, 0.15)), ("above .1", (0.1, None)), ("below .05", (None, 0.05)),
     ("-3 to 4", (-3.0, 4.0)), ("as the data", None)],
)  # fmt: skip
def test_bands_are_read_from_words(healthy, band):
    from steadygan.report.diagnosis import range_of

    assert range_of(healthy) == band


def test_in_a_study_faults_stand_open_and_healthy_runs_are_folded(make, tmp_path):
    from steadygan.report import diagnosis

    runs = {}
    for name, verdict in (("a", "healthy"), ("b", "fault"), ("c", "improving"), ("d", "none")):
        facts = {**make.run_json("dcgan"), "name": name}
        facts["diagnosis"] = {"verdict": verdict, "says": f"of {name}"}
        runs[name] = make.write_run(
            tmp_path / name, facts, make.history("dcgan", 2), pictures=False
        )
    make.write_study(tmp_path, list(runs))
    study = read_folder(tmp_path)
    first, folded = diagnosis.shown(study)
    assert [card.verdict for card in first] == ["fault", "still improving"]
    assert [card.verdict for card in folded] == ["healthy"]
    assert diagnosis.first_line(study) == (
        "Diagnosis of 3 runs: 1 fault, 1 still improving, 1 healthy."
    )


@pytest.mark.parametrize(
    ("says", "shows", "tone"),
    [
        ("healthy so far", True, "good"),
        ("healthy so far", None, "good"),
        ("healthy so far", False, ""),
        ("healthy so far; the samples are not good yet", True, ""),
    ],
)
def test_no_fault_is_no_praise_of_samples_that_do_not_show_the_data(says, shows, tone):
    from steadygan.report.diagnosis import in_short, shown

    facts = {
        "diagnosis": {"verdict": "healthy", "says": says},
        "measures": {"recognisable": {"shows_data": shows}},
    }
    run = Run(None, facts)
    assert in_short(run) == ("healthy", tone)
    still, folded = shown(Study(None, {"runs": ["a", "b"]}, [run, Run(None, facts)]))
    assert (len(still), len(folded)) == (0, 2)
