"""Tables of a study, from run folders that nothing trained."""

import csv
import json
import math
import shutil
import subprocess

import pytest

from steadygan.errors import UserError
from steadygan.methods import find
from steadygan.study.layouts import methods, optimises, variant
from steadygan.study.render import Table, as_csv, escaped, latex, markdown, words
from steadygan.study.results import read_results
from steadygan.study.statistics import Spread
from steadygan.study.table import main_key, said_of, write_tables

FID = {"dcgan": (50.0, 54.0, 52.0), "wgan-gp": (40.0, 41.0, 42.0), "began": (90.0, 95.0, None)}


def quality(fid, **more):
    return {"fid": fid, "kid": fid / 1000, "inception_score": 5.0, "sharpness": 120.0,
            "sharpness_difference": 10.0, **more}  # fmt: skip


def run_json(method, seed, fid, recipe):
    status = {"state": "finished", "reason": "", "step": 100, "images": 6400, "seconds": 10.0,
              "wall_seconds": 12.0}  # fmt: skip
    if fid is None:
        status |= {"state": "failed", "reason": "step 7: NaN in G", "exit_code": 3}
    real = {"inception_score": 9.5, "sharpness": 110.0}
    judged = {"features": "classifier", "feature_hash": "ab12", "count": 10_000, "real": real}
    measures = (
        {"quality": {**judged, "last": quality(fid), "best": quality(fid - 5)}} if fid else {}
    )
    return {
        "method": method, "recipe": recipe, "seed": seed, "device": "cpu", "precision": "fp32",
        "threads": 1, "goal": {"steps": 100}, "status": status, "measures": measures,
        "data": {"spec": "mnist", "shape": [1, 28, 28], "train": 3200, "settings": {}},
        "parameters": {"g": 4_000_000, "d": 5_450_000},
        "evaluation": {"every": "5%", "count": 2000, "features": "classifier", "real": 2.0,
                       "real_sd": 0.2, "noise": 1200.0, "feature_hash": "ab12"},
        "judged_step": 100,
    }  # fmt: skip


def history(fid):
    lines = [{"step": 0, "images": 0, "seconds": 0.0, "fid": 402.0}]
    for n, factor in enumerate((4, 2, 1.5, 1.2, 1), 1):
        line = {"step": 20 * n, "images": 1280 * n, "seconds": 2.0 * n, "fid": factor * (fid or 80)}
        lines.append({**line, "g_gradient_norm": 1.0})
    return lines


def written(out, fids=FID, recipes=None, runs=True, **changes):
    """A study folder of `fids` by method and seed; None is a failed run."""
    recipes = recipes or {name: find(name).recipe.model_dump(mode="json") for name in fids}
    seeds = list(range(len(next(iter(fids.values())))))
    study = {
        "format": 1, "command": "steadygan compare ...", "data": "mnist", "data_settings": {},
        "runs": [f"runs/{n}-s{s}" for n in fids for s in seeds], "methods": recipes,
        "run_settings": {}, "threads": 1, "device": "cpu", "seeds": seeds, "steps": 100,
        "data_used": {"fingerprint": ""}, "evaluation": {}, **changes,
    }  # fmt: skip
    out.mkdir(exist_ok=True)
    (out / "study.json").write_text(json.dumps(study))
    for name, values in fids.items():
        for seed, fid in enumerate(values if runs else ()):
            folder = out / "runs" / f"{name}-s{seed}"
            folder.mkdir(parents=True)
            facts = run_json(recipes[name].get("method"), seed, fid, recipes[name])
            (folder / "run.json").write_text(json.dumps(facts))
            lines = "".join(json.dumps(line) + "\n" for line in history(fid))
            (folder / "history.jsonl").write_text(lines)
    return out


def rows_of(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def test_quality_is_mean_and_spread_over_seeds_at_last_and_at_best(tmp_path):
    write_tables(written(tmp_path))
    rows = {row["method"]: row for row in rows_of(tmp_path / "table.csv")}
    assert (rows["dcgan"]["seeds"], rows["began"]["seeds"]) == ("3 of 3", "2 of 3")
    assert float(rows["dcgan"]["FID-classifier mean"]) == 52.0
    assert float(rows["dcgan"]["FID-classifier sd"]) == 2.0
    assert float(rows["dcgan"]["FID-classifier at best mean"]) == 47.0
    assert (rows["dcgan"]["FID-classifier n"], rows["began"]["FID-classifier n"]) == ("3", "2")
    text = (tmp_path / "table.md").read_text()
    assert "| dcgan | 3 of 3 | 52.0 ± 2.0 [47.0, 57.0] | 47.0 ± 2.0 [42.0, 52.0] |" in text


def test_the_stability_of_a_method_is_that_of_its_runs(tmp_path):
    write_tables(written(tmp_path))
    rows = {row["method"]: row for row in rows_of(tmp_path / "table-stability.csv")}
    assert (rows["dcgan"]["survived"], rows["began"]["survived"]) == ("3 of 3", "2 of 3")
    assert (rows["dcgan"]["scored"], rows["began"]["scored"]) == ("3 of 3", "3 of 3")
    learned = [math.log(400 / (fid - 2)) / math.log(400 / 0.6) for fid in FID["dcgan"]]
    assert float(rows["dcgan"]["learned"]) == pytest.approx(sum(learned) / 3)
    assert float(rows["dcgan"]["score mean"]) == pytest.approx(sum(learned) / 3), "it is steady"
    assert float(rows["dcgan"]["score low"]) < sum(learned) / 3
    assert float(rows["began"]["steadiness"]) == pytest.approx(2 / 3), "a failed seed counts as 0"
    rows = {row["method"]: row for row in rows_of(tmp_path / "table-stability-facts.csv")}
    assert float(rows["dcgan"]["last / best mean"]) == 1.0
    facts = json.loads((tmp_path / "tables.json").read_text())
    interval = facts["entries"][0]["stability"]["interval"]
    assert (interval["n"], interval["mean"]) == (3, pytest.approx(sum(learned) / 3))
    run = next(run for run in facts["runs"] if run["name"] == "began-s2")
    assert (run["state"], run["reason"]) == ("failed", "step 7: NaN in G")
    assert (run["stability"]["survived"], run["stability"]["reason"]) == (False, "step 7: NaN in G")


def test_runs_without_a_score_say_why(tmp_path):
    out = written(tmp_path, {"dcgan": (50.0, 51.0)})
    path = out / "runs/dcgan-s0/history.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:3]))
    text = write_tables(out).read_text()
    assert "No score: dcgan: 2 evaluations after the start, a score wants 5." in text
    assert rows_of(out / "table-stability.csv")[0]["scored"] == "1 of 2"


def test_it_is_said_of_a_method_whose_d_looks_through_the_features_of_the_distances(tmp_path):
    out = written(tmp_path, {"dcgan": (50.0, 54.0), "projected": (20.0, 21.0)})
    assert "looks through" not in write_tables(out).read_text()
    for file in out.glob("runs/*/run.json"):
        facts = json.loads(file.read_text())
        facts["measures"]["quality"]["features"] = "effnet-64"
        file.write_text(json.dumps(facts))
    assert "- projected: D looks through the network of these" in write_tables(out).read_text()


def test_failures_and_unfinished_runs_are_said_with_their_reason(tmp_path):
    out = written(tmp_path)
    facts = json.loads((out / "runs/dcgan-s0/run.json").read_text())
    facts["status"]["state"] = "running"
    (out / "runs/dcgan-s0/run.json").write_text(json.dumps(facts))
    text = write_tables(out).read_text()
    assert "- began-s2 failed: step 7: NaN in G" in text
    assert "- Not done: dcgan-s0 (interrupted)." in text
    assert "Training seeds: 0, 1, 2" in text
    assert "10,000 samples a run, features classifier" in text


def test_a_study_that_has_not_begun_has_tables_without_numbers(tmp_path):
    out = written(tmp_path, runs=False)
    write_tables(out, failed={"dcgan-s0": "no room"})
    rows = rows_of(out / "table-runs.csv")
    assert [row["state"] for row in rows[:2]] == ["failed", "not started"]
    write_tables(out)
    assert "- dcgan-s0 failed: no room" in (out / "table.md").read_text(), "it is remembered"
    assert json.loads((out / "tables.json").read_text())["entries"][0]["stability"]["score"] == 0.0


def test_differences_are_paired_by_seed_and_say_what_three_seeds_can_show(tmp_path):
    write_tables(written(tmp_path))
    facts = json.loads((tmp_path / "tables.json").read_text())
    pair = next(d for d in facts["differences"]["fid"] if d["one"] == "dcgan")
    assert (pair["other"], pair["n"], pair["paired"], pair["mean"]) == ("wgan-gp", 3, True, 11.0)
    assert (pair["p"], pair["verdict"]) == (0.25, "likely")
    others = [d for d in facts["differences"]["fid"] if "began" in (d["one"], d["other"])]
    assert [d["n"] for d in others] == [2, 2], "over the seeds that both have"
    said = said_of(read_results(tmp_path))
    assert "With 3 seeds the least p there can be is 0.25" in said
    assert "6 seeds are the fewest" in said
    assert "dcgan - wgan-gp" in (tmp_path / "table.md").read_text()


def test_one_seed_says_nothing_of_differences(tmp_path):
    out = written(tmp_path, {"dcgan": (50.0,), "wgan": (60.0,)})
    assert "One seed says nothing" in said_of(read_results(out))
    write_tables(out)
    assert json.loads((out / "tables.json").read_text())["differences"]["fid"] == []


def test_the_papers_layout(tmp_path):
    """Epochs, what is optimised, millions of parameters, IS, FID, sharpness, its difference."""
    write_tables(written(tmp_path))
    assert (tmp_path / "table-cost.csv").exists()
    write_tables(tmp_path, "paper")
    text = (tmp_path / "table.md").read_text()
    head = (
        "| model | epochs | optimises | parameters (10^6) | IS-classifier | FID-classifier | mean "
    )
    assert head in text
    assert not (tmp_path / "table-cost.csv").exists()
    assert "| training set | - | - | - | 9.5 | 0 | 110 | 0 |" in text
    line = next(line for line in text.splitlines() if line.startswith("| dcgan | 2 ± 0"))
    assert "| JS divergence | 9.45 | 5 ± 0 | 52.0 ± 2.0 [47.0, 57.0] | 120 ± 0 |" in line
    rows = rows_of(tmp_path / "table-time.csv")
    assert float(rows[0]["ms a step mean"]) == 100.0
    assert float(rows[0]["s an epoch mean"]) == 5.0
    with pytest.raises(UserError, match="did you mean 'paper'"):
        write_tables(tmp_path, "papre")


def test_the_epochs_of_a_run_on_its_way_are_no_result(tmp_path):
    path = written(tmp_path) / "runs/dcgan-s0/run.json"
    facts = json.loads(path.read_text())
    facts["status"] |= {"state": "running", "images": 10}
    path.write_text(json.dumps(facts))
    write_tables(tmp_path, "paper")
    assert "| dcgan | 2 ± 0 |" in (tmp_path / "table.md").read_text()


def test_decoding_variants_and_the_auto_encoder_in_the_papers_layout(tmp_path):
    base = find("decoding").recipe
    recipes = {
        "decoding": base,
        "l1": base.changed(decode="l1"),
        "normal": base.changed(features="normal"),
        "joint": base.changed(decode="joint"),
    }
    recipes = {name: recipe.model_dump(mode="json") for name, recipe in recipes.items()}
    out = written(tmp_path, dict.fromkeys(recipes, (30.0, 31.0)), recipes)
    path = out / "runs/decoding-s0/run.json"
    facts = json.loads(path.read_text())
    part = {"mean": 30.1, "std": 2.0, "min": 20.0, "max": 40.0}
    facts["measures"]["autoencoder"] = {"held_out": {"psnr": part, "ssim": {**part, "mean": 0.9}}}
    facts["parameters"] |= {"autoencoder": 840_000, "decode": 4_000_000}
    path.write_text(json.dumps(facts))
    write_tables(out, "paper")
    variants = [row["variant"] for row in rows_of(out / "table-decoding.csv")]
    assert variants == ["training set", "normal features", "L1", "L2*", "L2"]
    rows = rows_of(out / "table-autoencoder.csv")
    assert [(row["measure"], row["mean"], row["max"]) for row in rows] == [
        ("PSNR", "30.1", "40.0"), ("SSIM", "0.9", "40.0"),
    ]  # fmt: skip
    text = (out / "table.md").read_text()
    assert "| decoding | 2 ± 0 | JS + λ·KL divergence | 9.45 + 0.84 |" in text


@pytest.mark.parametrize(
    ("method", "keys", "said"),
    [
        ("gan", {}, "JS divergence"),
        ("lsgan", {}, "Pearson divergence"),
        ("lsgan", {"coding": (0.0, 1.0, 1.0)}, "least squares"),
        ("wgan-gp", {}, "Wasserstein distance"),
        ("began", {}, "Wasserstein distance"),
        ("sagan-hinge", {}, "hinge loss (reverse KL)"),
        ("decoding", {}, "JS + λ·KL divergence"),
        ("gan-qp", {}, "quadratic potential"),
        ("wgan-div", {}, "Wasserstein divergence"),
        ("feature-matching", {}, "feature matching"),
        ("d2gan", {}, "KL and reverse KL"),
    ],
)
def test_what_is_optimised_in_the_papers_words(method, keys, said):
    recipe = find(method).recipe
    if keys:
        recipe = recipe.changed(objective=recipe.objective.model_copy(update=keys))
    assert optimises(recipe.model_dump(mode="json")) == said


def test_every_method_says_what_it_optimises():
    from steadygan.methods import methods

    for method in methods().values():
        said = optimises(method.recipe.model_dump(mode="json"))
        assert said
        assert said != method.recipe.objective.name, "a name of ours, no words"


def test_variants_by_what_they_are():
    assert variant({"decode": "l2", "features": "encoder", "ae": "plain"}) == (
        "L2, plain auto-encoder"
    )
    assert variant({"decode": "joint", "features": "uniform"}) == "uniform features, joint"


# ---- rendering ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        (None, "-"),
        ("x", "x"),
        (1234567, "1,234,567"),
        (0.123456, "0.1235"),
        (1234567.0, "1,234,567"),
        (Spread(1, 12.3456), "12.35"),
        (Spread(3, 12.3456, 1.234, 11.0, 14.0), "12.3 ± 1.2 [11.0, 14.0]"),
        (Spread(3, 1234.5, 123.4, 1100.0, 1400.0), "1234 ± 123 [1100, 1400]"),
        (Spread(3, 0.00123, 0.00045, 0.0008, 0.0017), "0.00123 ± 0.00045 [0.00080, 0.00170]"),
        (Spread(3, 60.0, 0.0, 60.0, 60.0), "60 ± 0"),
        (Spread(1, 0.0), "0.00"),
    ],
)
def test_cells_in_words(cell, said):
    assert words(cell) == said


HOSTILE = "a|b & 50%_x <script> `c` \\d {e} #1 ~^ $\nnext"


def test_markdown_is_escaped():
    text = markdown([Table("k", HOSTILE, ["h|"], [[HOSTILE]])], HOSTILE, [HOSTILE])
    row = "a\\|b & 50%\\_x \\<script> \\`c\\` \\\\d {e} #1 ~^ $ next"
    assert text == f"# {row}\n\n## {row}\n\n| h\\| |\n| --- |\n| {row} |\n\n## Notes\n\n- {row}\n"


def test_markdown_has_no_html_entities_and_keeps_what_is_no_markup():
    plain = "p < .05, 3 > 2 <5 % R&D → λ"
    assert escaped(plain) == plain
    assert escaped("> &lt; <b>x</b> <!-- -->\r\n*") == ("\\> \\&lt; \\<b>x\\</b> \\<!-- --> \\*")


def test_latex_is_escaped():
    text = latex([Table("k", HOSTILE, ["h_1", "Δ"], [[HOSTILE, Spread(2, 1.0, 0.5, 0.5, 1.5)]])],
                 [HOSTILE])  # fmt: skip
    assert r"50\%\_x" in text
    assert r"\textless{}script\textgreater{}" in text
    assert r"\textbackslash{}d \{e\} \#1 \textasciitilde{}\textasciicircum{} \$ next & 1.00" in text
    assert r"$\Delta$" in text
    assert r"1.00 $\pm$ 0.50 \\" in text
    assert text.splitlines()[0].startswith("% ")
    assert "\nnext" not in text


def test_latex_rows_have_as_many_cells_as_columns():
    text = latex([Table("k", "t", ["a", "b & c"], [["x & y", 1], ["z", None]])], [])
    columns = [line.replace(r"\&", "").count("&") for line in text.splitlines() if r" \\" in line]
    assert columns == [1, 1, 1]


def test_latex_is_booktabs_with_label_and_what_the_numbers_rest_on():
    table = Table("k", "Quality", ["m", "FID"], [["a", 1]], "How to read it.")
    lines = latex([table], ["made by x"], "50 samples; bold: better.").splitlines()
    assert lines[:2] == [r"% \usepackage{booktabs}", "% made by x"]
    assert r"\caption{Quality. How to read it. 50 samples; bold: better.}" in lines
    assert r"\label{tab:k}" in lines
    rules = [line for line in lines if line.endswith("rule")]
    assert rules == [r"\toprule", r"\midrule", r"\bottomrule"]


def test_wide_tables_are_parted_and_repeat_the_first_column():
    head = [f"h{i}" for i in range(16)]
    text = latex([Table("k", "t", head, [[f"c{i}" for i in range(16)]])], [])
    heads = [line.split(" & ") for line in text.splitlines() if line.startswith("h0")]
    assert [len(columns) for columns in heads] == [6, 6, 6]
    assert [column.split()[0] for columns in heads for column in columns[1:]] == head[1:]
    assert [f"tab:k-{i}" in text for i in (1, 2, 3, 4)] == [True, True, True, False]


def test_a_column_has_the_decimals_that_its_least_spread_wants():
    rows = [["a", Spread(3, 140.2, 2.4, 139.0, 141.0)], ["b", Spread(3, 3.21, 0.021, 3.2, 3.22)]]
    table = Table("k", "t", ["m", "FID"], rows)
    assert [table.decimals(i) for i in (0, 1)] == [None, 3]
    assert "140.200 $\\pm$ 2.400" in latex([table], [])
    assert "140.200 ± 2.400 [139.000, 141.000]" in markdown([table], "h", [])


def test_bold_is_what_the_test_calls_best():
    rows = [["a", Spread(2, 1.0, 0.5, 0.5, 1.5)], ["b", Spread(2, 3.0, 0.5, 2.5, 3.5)]]
    text = latex([Table("k", "t", ["m", "FID"], rows, best=frozenset({(0, 1)}))], [])
    assert text.count(r"\textbf") == 1
    assert r"a & \textbf{1.00 $\pm$ 0.50} \\" in text


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="there is no LaTeX")
def test_a_table_compiles_as_it_is(tmp_path):
    rows = [[HOSTILE, Spread(3, 1.0, 0.5, 0.5, 1.5), *range(9)]]
    head = ["m", "Δ λ <", *(f"x_{i}" for i in range(9))]
    table = Table("k", HOSTILE, head, rows, "±·", best=frozenset({(0, 1)}))
    (tmp_path / "table.tex").write_text(latex([table], [HOSTILE], "95 % of 2,000"))
    (tmp_path / "a.tex").write_text(
        "\\documentclass{article}\\usepackage{booktabs}\\begin{document}\\input{table}"
        "\\ref{tab:k-1}\\end{document}"
    )
    done = subprocess.run(["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "a.tex"],
                          cwd=tmp_path, capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 0, done.stdout[-1500:]


def test_csv_reads_back_what_was_written():
    table = Table("k", "t", ["name", "value", "n"],
                  [[HOSTILE, Spread(3, 1.5, 0.5, 1.0, 2.0), 4], ["b", None, None]])  # fmt: skip
    rows = list(csv.DictReader(as_csv(table).splitlines(keepends=True)))
    assert rows[0]["name"] == HOSTILE
    assert [float(rows[0][f"value {k}"]) for k in ("mean", "sd", "low", "high", "n")] == [
        1.5, 0.5, 1.0, 2.0, 3,
    ]  # fmt: skip
    assert (rows[1]["value mean"], rows[1]["n"]) == ("", "")


def test_the_main_distance_is_that_of_most_runs(tmp_path):
    """A study begun when its distance was FID: one of six runs has the other one, too."""
    out = tmp_path / "study"
    written(out)
    runs = sorted((out / "runs").glob("*/run.json"))
    assert main_key(read_results(out)) == "fid"
    for place, file in enumerate(runs):
        facts = json.loads(file.read_text())
        if "quality" in facts["measures"]:
            facts["measures"]["quality"]["last"]["energy_distance"] = 3.0
        file.write_text(json.dumps(facts))
        if place == 0:
            assert main_key(read_results(out)) == "fid"
    assert main_key(read_results(out)) == "energy_distance"


def test_the_papers_layout_has_the_distance_that_there_is(tmp_path):
    out = tmp_path / "study"
    written(out, {"dcgan": (50.0, 54.0)})
    fid = methods(read_results(out))
    assert "FID-classifier" in fid.head
    for file in (out / "runs").glob("*/run.json"):
        facts = json.loads(file.read_text())
        facts["measures"]["quality"]["last"] |= {"fid": None, "energy_distance": 3.0}
        file.write_text(json.dumps(facts))
    found = methods(read_results(out))
    assert "energy distance-classifier" in found.head
    assert found.rows[-1][found.head.index("energy distance-classifier")].mean == 3.0
