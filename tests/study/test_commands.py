"""`compare`, `work` and `table` from the command line."""

import json
import shlex
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import pytest

from steadygan import cli
from steadygan.data import open_data
from steadygan.study import queue
from steadygan.study.bars import bars
from steadygan.study.judge import Judge
from steadygan.study.plan import read_study
from steadygan.study.progress import StudyBars
from steadygan.training import sample_files
from steadygan.training.runfolder import read_facts, read_history

SMALL = ("--data", "ring", "--steps", "4", "width=4", "batch=8", "log_every=1", "threads=1",
         "--count", "100", "--device", "cpu")  # fmt: skip


@pytest.fixture
def steadygan(tmp_path, monkeypatch, capfd, made):
    """`steadygan(*words)` in an empty folder, whose studies are worked on in this process: (exit
    code, lines on stdout, lines on stderr)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(queue, "local", lambda jobs, trust_code: made.here)

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["steadygan", *map(str, words)])
        capfd.readouterr()
        code = 0
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                cli.main()
        except SystemExit as stop:
            code = stop.code
        said = capfd.readouterr()
        return code, said.out.splitlines(), said.err.splitlines()

    call.here = tmp_path
    return call


def test_a_study_from_the_command_line(steadygan):
    code, out, err = steadygan("compare", "gan", "wgan", *SMALL, "--seeds", "2", "--seed", "5",
                               "--out", "s", "--evaluate-every", "2")  # fmt: skip
    assert (code, out) == (0, ["s/report.html"]), err
    facts = read_study(steadygan.here / "s")
    assert facts["seeds"] == [5, 6]
    assert facts["evaluation"]["every"] == "2"
    assert facts["command"].startswith("steadygan compare gan wgan --data ring --steps 4")
    names = {path.name for path in (steadygan.here / "s").iterdir()}
    assert {"report.html", "table.csv", "table.md", "table.tex", "tables.json"} <= names
    assert "wgan-s6 is done (4 of 4 runs)" in err
    code, out, _ = steadygan("diagnose", "s")
    assert [line for line in out if line.endswith(":")] == [
        "gan-s5:", "gan-s6:", "wgan-s5:", "wgan-s6:",
    ]  # fmt: skip
    assert code == int(any(line.startswith("fault") for line in out))


def test_a_failed_run_is_exit_code_5_after_all_others_and_the_tables(steadygan):
    code, _, err = steadygan("compare", "gan:lr=1e38", "gan", *SMALL, "--out", "s")
    assert code == 5
    assert err[-1].startswith("steadygan: 1 run(s) failed: gan-lr-1e38-s0: step 0: NaN or Inf")
    assert read_facts(steadygan.here / "s/runs/gan-s0")["status"]["state"] == "finished"
    assert "gan-lr-1e38-s0 failed: step 0" in (steadygan.here / "s/table.md").read_text()
    again, _, err = steadygan("compare", "gan:lr=1e38", "gan", *SMALL, "--out", "s")
    assert again == 5
    assert not any("is done" in line for line in err)


@pytest.mark.long
def test_a_plan_is_commands_that_make_the_same_study(steadygan):
    words = ("compare", "gan", "wgan", *SMALL, "--seeds", "2", "--out", "a study")
    code, out, err = steadygan(*words, "--plan")
    assert code == 0, err
    assert any("With 2 seeds the least p there can be is 0.5: no difference" in x for x in err)
    assert out == [
        "steadygan work 'a study' gan-s0", "steadygan work 'a study' wgan-s0",
        "steadygan work 'a study' gan-s1", "steadygan work 'a study' wgan-s1",
        "steadygan table 'a study'",
    ]  # fmt: skip
    assert [p.name for p in (steadygan.here / "a study").iterdir()] == ["study.json"]
    for line in reversed(out[:-1]):
        code, said, err = steadygan(*shlex.split(line)[1:])
        assert code == 0, err
        assert said == [f"a study/runs/{shlex.split(line)[-1]}"]
    code, said, _ = steadygan(*shlex.split(out[-1])[1:])
    assert code == 0
    assert said[0] == "# 2 methods x 2 seeds on ring, 4 steps a run"
    assert said[-1] == "a study/report.html"
    code, _, err = steadygan(*words)
    assert code == 0
    assert not any("is done" in line for line in err), "nothing was left to do"


def test_a_run_of_a_plan_goes_on_where_it_was_stopped(steadygan):
    words = list(SMALL)
    words[words.index("4")] = "100000"
    steadygan("compare", "gan", *words, "--out", "s", "--plan", "--evaluate-every", "none")
    for _ in range(2):
        code, _, err = steadygan("work", "s", "gan-s0", "--stop-after", "0.3s")
        assert code == 75
        assert "run me again" in err[-1]
    steps = [line["step"] for line in read_history(steadygan.here / "s/runs/gan-s0")]
    assert steps == list(range(len(steps)))
    assert read_facts(steadygan.here / "s/runs/gan-s0")["status"]["step"] >= steps[-1] > 1


def test_the_papers_layout_from_the_command_line(steadygan):
    code, _, err = steadygan("compare", "gan", *SMALL, "--out", "s", "--layout", "paper")
    assert code == 0, err
    code, out, _ = steadygan("table", "s", "--layout", "paper")
    assert code == 0
    assert any(line.startswith("| model | epochs | optimises |") for line in out)


def test_training_alone_is_judged_on_the_way_where_it_is_asked_for(steadygan):
    code, _, err = steadygan("train", "gan", *SMALL[:-4], "--device", "cpu", "--out", "r",
                             "--evaluate-every", "2", "--count", "60")  # fmt: skip
    assert code == 0, err
    run = steadygan.here / "r"
    assert read_facts(run)["evaluation"]["count"] == 60
    found = [line["step"] for line in read_history(run) if "energy_distance" in line]
    assert found == [0, 2, 4]
    assert steadygan("resume", "r", "--steps", "8")[0] == 0
    found = [line["step"] for line in read_history(run) if "energy_distance" in line]
    assert found == [0, 2, 4, 6, 8]
    facts = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**facts, "device": "cuda"}))
    code, _, err = steadygan("resume", "r", "--steps", "9", "--allow-inexact")
    assert code == 0, err
    assert steadygan("sample", "r", "--best", "--out", "best.npy", "--count", "9")[0] == 0
    code, _, err = steadygan("train", "gan", *SMALL[:-4], "--device", "cpu", "--out", "bare")
    assert code == 0, err
    assert "evaluation" not in read_facts(steadygan.here / "bare")
    code, _, err = steadygan("sample", "bare", "--best", "--out", "none.npy")
    assert (code, len(err)) == (2, 1)
    assert "no best samples" in err[0]


@pytest.mark.parametrize(
    ("distances", "words", "step"),
    [((9.0, 2.0, 8.0), (), 2), ((9.0, 2.0, 8.0), ("--last",), None), ((9.0, 3.0, 3.1), (), None),
     ((9.0, 3.0, 3.1), ("--best",), 2)],
)  # fmt: skip
def test_samples_are_of_the_best_generator_where_the_last_is_a_relapse(
    distances, words, step, steadygan, monkeypatch
):
    monkeypatch.setattr(
        Judge,
        "draft_of_points",
        lambda judge, points, left=[*distances, distances[-1]]: {
            "energy_distance": left.pop(0) if left[1:] else left[0]
        },
    )
    code, _, err = steadygan("train", "gan", *SMALL[:-4], "--device", "cpu", "--out", "r",
                             "--evaluate-every", "2", "--count", "60")  # fmt: skip
    assert code == 0, err
    taken = []
    load = sample_files.load_parts
    monkeypatch.setattr(
        sample_files,
        "load_parts",
        lambda run, say, at, trust: taken.append(at) or load(run, say, at, trust),
    )
    code, _, err = steadygan("sample", "r", "--out", "a.npy", "--count", "9", *words)
    assert code == 0, err
    assert taken == ["best" if step else "last"]
    said = [line for line in err if "the best evaluation" in line]
    assert bool(said) == (step is not None and not words)
    assert all(f"step {step}" in line and "times as far" in line for line in said)


def test_features_of_a_run_of_its_own_are_checked_before_it_begins(steadygan):
    words = ("train", "gan", "--data", "mnist", "--steps", "2", "--evaluate-every", "2")
    for given, said in (("efnet", "did you mean 'effnet"), ("inception", "--weights")):
        code, _, err = steadygan(*words, "--out", "r", "--features", given)
        assert (code, len(err)) == (2, 1), err
        assert said in err[0]
        assert not (steadygan.here / "r").exists()


def test_recommend_prints_a_line_to_paste_and_train_takes_the_same(steadygan):
    code, out, err = steadygan("recommend", "threads=1", "--data", "ring", "--budget", "30s")
    assert code == 0, err
    assert out[0] == "steadygan train gan threads=1 --data ring --budget 30s"
    assert "passes over the data" in out[-1]
    code, _, err = steadygan("train", "width=4", "batch=8", "threads=1", "--data", "ring",
                             "--steps", "4", "--out", "r")  # fmt: skip
    assert code == 0, err
    assert any(line.startswith("method: gan, for ") for line in err)
    facts = json.loads((steadygan.here / "r" / "run.json").read_text())
    assert (facts["method"], facts["recipe"]["networks"]["width"]) == ("gan", 4)
    code, out, err = steadygan("recommend", "--data", "no-such")
    assert (code, len(err), out) == (2, 1, [])


def test_no_command_overwrites_a_file_without_force(steadygan):
    assert steadygan("train", "gan", *SMALL[:-4], "--device", "cpu", "--out", "r")[0] == 0
    kept = steadygan.here / "kept"
    kept.write_bytes(b"mine")
    for words, said in (
        (("sample", "r", "--out", "kept"), "--out kept: exists; --force overwrites it"),
        (("evaluate", "r", "--pairs", "kept"), "--pairs kept: exists; --force overwrites it"),
        (("weights", "import", "w.pth", "kept"), "OUT kept: exists; --force overwrites it"),
    ):
        assert steadygan(*words) == (2, [], [f"steadygan: {said}"])
        assert kept.read_bytes() == b"mine"
        code, _, err = steadygan(*words, "--force")  # refused for another reason now
        assert (code, "--force" in err[0]) == (2, False), err
    out = kept.rename(steadygan.here / "kept.npy")
    assert steadygan("sample", "r", "--out", "kept.npy", "--count", "9", "--force")[0] == 0
    assert out.read_bytes()[:6] == b"\x93NUMPY"


def test_resume_more_adds_to_the_time_that_was_spent_also_of_a_finished_run(steadygan):
    assert steadygan("train", "gan", *SMALL[:-4], "--device", "cpu", "--out", "r")[0] == 0
    run = steadygan.here / "r"
    for _ in range(2):
        before = read_facts(run)["status"]
        code, _, err = steadygan("resume", "r", "--more", "0.2s")
        assert code == 0, err
        after = read_facts(run)
        assert after["status"]["step"] > before["step"]
        wanted = before["seconds"] + 0.2
        assert after["goal"]["budget_seconds"] == pytest.approx(wanted, abs=2e-3)
        rounded = 5e-4  # status has milliseconds
        assert after["status"]["seconds"] >= after["goal"]["budget_seconds"] - rounded
    for other in ("--steps", "--budget"):
        code, _, err = steadygan("resume", "r", "--more", "1s", other, "5")
        assert (code, err) == (2, ["steadygan: give one of --steps, --budget and --more"])
    code, _, err = steadygan("resume", "r", "--more", "0s")
    assert (code, err) == (2, ["steadygan: --more 0s: wants a time above 0 such as 45s, 5m or 2h"])


def test_a_resumed_run_is_judged_by_what_it_was_judged_by():
    from steadygan.cli import evaluating

    known = {"every": "5", "count": 100, "features": "inception", "weights": "w.safetensors"}
    facts = {"evaluation": known, "data": {"spec": "ring", "settings": {}}, "device": "cpu"}
    judge = evaluating.judge_before(facts, Path("r"), True)
    assert judge.data.name == "ring"
    asked = judge.evaluation
    assert (asked.every, asked.draft, asked.count) == ("5", 100, 100)
    assert (asked.features, asked.weights) == ("inception", "w.safetensors")
    assert judge.trust_code
    assert evaluating.judge_before({**facts, "evaluation": None}, Path("r"), True) is None


def test_pretrained_features_draw_as_many_samples_as_their_dimensions_want():
    from steadygan.cli.evaluating import default_count
    from steadygan.metrics.frechet import too_few

    def of(spec: str, **settings) -> int:
        return default_count(open_data(spec), settings.get("features", "auto"))

    assert of("mnist") == of("ring") == 2000
    assert of("mnist", features="effnet-64") == 1500
    unlabelled = replace(open_data("mnist"), class_names=())
    assert default_count(unlabelled, "auto") == 1500
    assert not too_few(1500, 1280)
    for images, wanted in ((2562, 1500), (2561, 750), (751, 750), (590, 590), (20, 50)):
        part = replace(unlabelled.train, items=unlabelled.train.items[:images], labels=None)
        assert default_count(replace(unlabelled, train=part), "auto") == wanted


WRONG = {
    "no seeds": (("--seeds", "0"), "--seeds"),
    "no jobs": (("--jobs", "0"), "--jobs"),
    "no such engine": (("--engine", "rey"), "did you mean 'ray'"),
    "an address without ray": (("--address", "auto"), "--engine ray"),
    "no schedule": (("--evaluate-every", "often"), "--evaluate-every often"),
    "too few samples": (("--count", "10"), "--count"),
    "no such layout": (("--layout", "papre"), "did you mean 'paper'"),
    "no such features": (("--features", "clasifier"), "did you mean 'classifier'"),
    "inception without weights": (("--features", "inception"), "--weights"),
    "weights of nothing": (("--weights", "w.safetensors"), "--features inception"),
    "no time": (("--stop-after", "soon"), "--stop-after soon"),
}


@pytest.mark.parametrize("name", WRONG)
def test_bad_words_are_one_line_before_anything_is_written(name, steadygan):
    more, said = WRONG[name]
    small = [word for word in SMALL if word not in ("--count", "100")]
    small = small if name == "too few samples" else SMALL
    code, out, err = steadygan("compare", "gan", *small, "--out", "s", *more)
    assert (code, len(err), out) == (2, 1, []), err
    assert said in err[0]
    assert list(steadygan.here.iterdir()) == []


def test_work_and_table_on_what_is_no_study(steadygan):
    for words in (("work", "none", "gan-s0"), ("table", "none")):
        code, _, err = steadygan(*words)
        assert (code, len(err)) == (2, 1)
        assert "no study folder" in err[0]
    steadygan("compare", "gan", *SMALL, "--out", "s", "--plan")
    code, _, err = steadygan("work", "s", "gan-s1")
    assert (code, len(err)) == (2, 1)
    assert "no run of this study; did you mean 'gan-s0'?" in err[0]


# ---- progress ------------------------------------------------------------------------------------


def test_in_a_pipe_a_study_says_little(capfd):
    with bars() as progress:
        watch = StudyBars(progress, 3, 1)
        watch("gan-s0", {"begins": True})
        for share in (0.1, 0.2, 0.3):
            watch("gan-s0", {"share": share, "detail": "step 5"})
        watch("gan-s0", {"says": "a note"})
        watch("gan-s0", {"ends": ""})
        watch("wgan-s0", {"begins": True})
        watch("wgan-s0", {"ends": "NaN"})
    said = capfd.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [
        "gan-s0:  10%  step 5", "gan-s0: a note", "gan-s0 is done (2 of 3 runs)",
        "wgan-s0 failed: NaN",
    ]  # fmt: skip


def test_the_bar_of_a_study_counts_shares_of_runs():
    with bars() as progress:
        watch = StudyBars(progress, 4, 1)
        watch("a", {"begins": True})
        watch("b", {"begins": True})
        watch("a", {"share": 0.5, "detail": ""})
        assert progress.tasks[watch.whole].completed == 1.5
        assert progress.tasks[watch.whole].fields["detail"] == "1 of 4 runs"
        watch("a", {"ends": ""})
        watch("b", {"share": 0.25, "detail": ""})
        assert progress.tasks[watch.whole].completed == 2.25
        assert len(progress.tasks) == 2, "a finished run's bar is gone"


def test_study_json_is_plain(steadygan):
    steadygan("compare", "gan", *SMALL, "--out", "s", "--plan", "--evaluate-every", "none")
    facts = json.loads((steadygan.here / "s/study.json").read_text())
    assert facts["evaluation"]["every"] is None
    assert facts["threads"] == 1
    assert facts["steps"] == 4


def test_runs_side_by_side_share_the_threads(steadygan, monkeypatch):
    import torch

    monkeypatch.setattr(torch, "get_num_threads", lambda: 5)
    alone = [word for word in SMALL if word != "threads=1"]
    for jobs, threads in ((1, 5), (2, 2), (9, 1)):
        steadygan("compare", "gan", *alone, "--out", f"s{jobs}", "--plan", "--jobs", jobs)
        assert read_study(steadygan.here / f"s{jobs}")["threads"] == threads


# ---- several processes a run -------------------------------------------------------------------

BY_TWO = ("--processes-per-run", "2")


def test_processes_per_run_are_part_of_the_study(steadygan, monkeypatch):
    import torch

    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    words = ["compare", "gan", *(w for w in SMALL if w != "threads=1"), "--out", "s", "--plan"]
    assert steadygan(*words, *BY_TWO, "--jobs", "2")[0] == 0
    facts = read_study(steadygan.here / "s")
    assert (facts["processes"], facts["threads"]) == (2, 2), "cores / jobs / processes"
    code, _, err = steadygan(*words)
    assert code == 2
    assert err[-1].endswith("holds another study (--processes-per-run 2, not 1); give another "
                            "folder")  # fmt: skip
    assert steadygan(*words, *BY_TWO)[0] == 0


def test_a_study_that_says_nothing_of_processes_has_one(steadygan):
    words = ["compare", "gan", *SMALL, "--out", "s", "--plan"]
    steadygan(*words)
    path = steadygan.here / "s/study.json"
    facts = json.loads(path.read_text())
    assert facts.pop("processes") == 1
    path.write_text(json.dumps(facts))
    assert steadygan(*words)[0] == 0
    assert steadygan(*words, *BY_TWO)[0] == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("gan:batch=15", "wgan:batch=4", "batch=8"), "batch=8: every method of this study"),
        (("gan", "bach=8"), "bach=8: no method of this study has the key 'bach'; did you mean"),
    ],
)
def test_a_shared_key_that_no_method_takes_is_refused(steadygan, words, said):
    small = [word for word in SMALL if word != "batch=8"]
    code, _, err = steadygan("compare", *words, *small, "--out", "s")
    assert code == 2
    assert err[-1].startswith(f"steadygan: {said}")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("gan:batch=15", "wgan", *BY_TWO), "gan-batch-15: batch=15 cannot be shared by 2 "
         "processes: give a multiple of 2"),
        (("dragan", "microbatch=4"), "dragan: microbatch=4 does not fit: local-gradient-penalty"),
        (("gan", "--gpus-per-run", "1"), "--gpus-per-run 1: belongs to --engine ray"),
        (("gan", "--gpus-per-run", "1", "--engine", "ray"), "--gpus-per-run 1: with --device cpu"),
        (("gan", *BY_TWO, "--device", "cuda:1"), "--device cuda:1: with --processes-per-run 2"),
        (("gan", "--device", "gpu"), "--device gpu: known are auto, cpu, cuda and cuda:N"),
        (("gan", "--device", "gpu", "--plan"), "--device gpu: known are auto, cpu, cuda and cuda"),
        (("gan", "--device", "cuda"), "--device cuda: torch sees no GPU here; use --device cpu"),
    ],
)  # fmt: skip
def test_what_processes_or_pieces_cannot_do_is_refused_at_once(steadygan, words, said):
    small = SMALL[:-2] if "--device" in words else SMALL
    code, _, err = steadygan("compare", *words, *(w for w in small if w != "batch=8"),
                             "--out", "s")  # fmt: skip
    assert code == 2
    assert err[-1].startswith(f"steadygan: {said}")
    assert not (steadygan.here / "s").exists()


def test_more_processes_than_gpus_are_refused_here_but_not_elsewhere(steadygan, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    words = ["compare", "gan", *SMALL[:-2], "--out", "s", *BY_TWO]
    code, _, err = steadygan(*words)
    assert (code, err[-1][:39]) == (2, "steadygan: there is no GPU for it: this")
    assert steadygan(*words, "--plan")[0] == 0, "planned for another machine"


def test_threads_of_all_processes_are_within_the_cores(steadygan, monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    words = ["compare", "gan", *(w for w in SMALL if w != "threads=1"), "threads=3"]
    code, _, err = steadygan(*words, *BY_TWO)
    assert (code, err[-1]) == (2, "steadygan: threads=3 in each of 2 processes: this machine has "
                                  "4 cores; give at most 2")  # fmt: skip


def test_work_starts_the_processes_of_its_run_itself(steadygan, monkeypatch):
    steadygan("compare", "gan", *SMALL, "--out", "s", "--plan")
    said = "steadygan: `steadygan work` starts the processes of its run itself"
    code, _, err = steadygan("work", "s", "gan-s0", "--follows")
    assert (code, err[-1][: len(said)]) == (2, said)
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    code, _, err = steadygan("work", "s", "gan-s0")
    assert (code, err[-1][: len(said)]) == (2, said)
