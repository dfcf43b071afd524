"""A study on tiny networks: runs, goes on, keeps failures as results."""

import json
from dataclasses import replace

import pytest

from steadygan.errors import NonFiniteError, StudyError, UserError
from steadygan.locks import BusyError
from steadygan.study import compare
from steadygan.study.compare import StudyHooks, raise_if_failed, run_study
from steadygan.study.plan import begin, in_turn, planned, read_study
from steadygan.study.results import read_results
from steadygan.study.table import write_tables
from steadygan.study.work import is_done, mark_failed, work
from steadygan.training import Stopped, runs
from steadygan.training.runfolder import RunFolder, read_history


@pytest.fixture
def hooks(made):
    """Works in this process, and remembers what it was told."""

    def make(**more):
        events = []
        watching = lambda runs, done: lambda run, event: events.append((run, event))  # noqa: E731
        found = StudyHooks(engine=made.here, watching=watching, say=lambda text: None, **more)
        found.events = events
        return found

    return make


def begun(hooks):
    return [run for run, event in hooks.events if "begins" in event]


def test_methods_times_seeds_get_a_finished_run_each(made, hooks, tmp_path):
    study, seen = made.planned("gan", "wgan:d_steps=1", seeds=(3, 4)), hooks()
    out = run_study(study, tmp_path / "s", seen)
    facts = json.loads((out / "study.json").read_text())
    names = ["gan-s3", "gan-s4", "wgan-d_steps-1-s3", "wgan-d_steps-1-s4"]
    assert facts["runs"] == [f"runs/{name}" for name in names]
    assert [made.status(out, name)["state"] for name in names] == ["finished"] * 4
    assert begun(seen) == [names[0], names[2], names[1], names[3]], "a whole seed first"
    seeds = [json.loads((out / "runs" / name / "run.json").read_text())["seed"] for name in names]
    assert seeds == [3, 4, 3, 4]
    assert not seen.failed


def test_a_method_with_steps_of_its_own_trains_so_many(made, hooks, tmp_path):
    study = made.planned("gan:steps=2", "wgan", steps=4)
    out = run_study(study, tmp_path / "s", hooks())
    assert {name: made.status(out, name)["step"] for name in ("gan-s0", "wgan-s0")} == {
        "gan-s0": 2,
        "wgan-s0": 4,
    }
    write_tables(out)
    text = (out / "table.md").read_text()
    assert "2 to 4 steps a run" in text
    assert "Steps of their own: gan 2; 4 for the others." in text
    other = made.planned("gan:steps=3", "wgan", steps=4)
    with pytest.raises(UserError, match=r"holds another study \(steps\)"):
        begin(other, out)
    with pytest.raises(UserError, match="gan:steps=2: give --steps N"):
        replace(study, steps=None, budget_minutes=1.0)


def test_a_method_can_be_in_a_study_for_longer_too(made):
    study = made.planned("gan", "gan:steps=8", "gan:d_steps=2", steps=4)
    assert [entry.name for entry in study.entries] == ["gan", "gan-steps-8", "gan-d_steps-2"]
    with pytest.raises(UserError, match="gan:steps=8: is in the study twice"):
        made.planned("gan", "gan:steps=8", "gan:steps=8", steps=4)


def test_a_study_of_an_earlier_version_goes_on_where_its_recipes_mean_the_same(made, tmp_path):
    study, path = made.planned("gan", "wgan", steps=4), tmp_path / "s" / "study.json"
    begin(study, path.parent)
    facts = json.loads(path.read_text())
    del facts["methods"]["gan"]["microbatch"]  # of a time before that field, and none by default
    del facts["run_settings"]["exact"], facts["data_settings"]["size"]  # likewise
    path.write_text(json.dumps(facts))
    begin(study, path.parent)
    facts["methods"]["gan"]["d_steps"] += 1
    path.write_text(json.dumps(facts))
    with pytest.raises(UserError, match=r"holds another study \(methods\)"):
        begin(study, path.parent)


def test_a_run_of_a_study_is_the_run_that_train_makes(made, hooks, tmp_path):
    from steadygan import train
    from tests.reliability import games

    study = made.planned("wgan-gp", seeds=(5,))
    out = run_study(study, tmp_path / "s", hooks())
    train(study.entries[0].recipe, "ring", out=tmp_path / "alone", steps=3, seed=5, device="cpu",
          schedule=study.request.schedule())  # fmt: skip
    evaluated = {"energy_distance", "modes", "high_quality", "mode_js"}
    ours, alone = games.history(out / "runs/wgan-gp-s5"), games.history(tmp_path / "alone")
    assert [{k: v for k, v in line.items() if k not in evaluated} for line in ours] == alone
    ends = [games.whole_state(run)[1] for run in (out / "runs/wgan-gp-s5", tmp_path / "alone")]
    assert games.unlike(*ends) == [], "judging on the way moved a bit"


def test_a_part_that_wants_one_process_is_refused_before_anything_is_written(made, hooks, tmp_path):
    from steadygan.parts.replay import Replay

    study = made.planned("gan")
    entry = replace(study.entries[0], recipe=study.entries[0].recipe.with_(Replay()))
    shared = replace(study, entries=(entry,), processes=2)
    with pytest.raises(UserError, match=r"^gan: replay wants one process \(each process would"):
        run_study(shared, tmp_path / "s", hooks())
    assert not (tmp_path / "s").exists()


def test_called_again_it_trains_nothing_twice(made, hooks, tmp_path, monkeypatch):
    run_study(made.planned("gan"), tmp_path / "s", hooks())
    before = (tmp_path / "s/runs/gan-s0/history.jsonl").read_bytes()
    again = hooks()
    monkeypatch.setattr(compare, "prepare", None)  # nothing is left that would need it
    run_study(made.planned("gan"), tmp_path / "s", again)
    assert (tmp_path / "s/runs/gan-s0/history.jsonl").read_bytes() == before
    assert again.events == []


@pytest.mark.parametrize("horizon", ["recipe", "budget"])
def test_a_study_that_was_stopped_goes_on(horizon, made, hooks, tmp_path):
    settings, looks = ("log_every=1", f"horizon={horizon}"), []

    def stop():
        looks.append(1)
        return Stopped("stopped", 143) if len(looks) == 2 else None

    with pytest.raises(Stopped):
        run_study(made.planned("gan", "wgan", settings=settings), tmp_path / "s", hooks(stop=stop))
    assert made.status(tmp_path / "s", "gan-s0")["state"] == "stopped"
    assert not (tmp_path / "s/runs/wgan-s0").exists()
    run_study(made.planned("gan", "wgan", settings=settings), tmp_path / "s", hooks())
    assert made.status(tmp_path / "s", "wgan-s0")["state"] == "finished"
    steps = [line["step"] for line in read_history(tmp_path / "s/runs/gan-s0")]
    assert steps == [0, 1, 2, 3]


def test_a_failed_run_is_a_result_and_the_study_goes_on(made, hooks, tmp_path):
    """A learning rate of 1e38 makes the weights infinite at the first step."""
    study = made.planned("gan:lr=1e38", "wgan", steps=5)
    seen = hooks()
    out = run_study(study, tmp_path / "s", seen)
    failed, fine = in_turn(read_study(out))
    assert (made.status(out, failed)["state"], made.status(out, failed)["exit_code"]) == (
        "failed", 3,
    )  # fmt: skip
    assert made.status(out, fine)["state"] == "finished"
    with pytest.raises(StudyError, match=r"1 run\(s\) failed: gan-lr-1e38-s0: step .* NaN or Inf"):
        raise_if_failed(seen)
    again = hooks()
    run_study(study, tmp_path / "s", again)
    assert again.failed == seen.failed, "a failed run stays failed, and is said again"
    assert again.events == []
    with pytest.raises(StudyError) as caught:
        raise_if_failed(again)
    assert caught.value.exit_code == 5


def test_a_run_that_failed_for_want_of_anything_but_finite_numbers_is_tried_again(
    made, hooks, tmp_path, monkeypatch
):
    """A full disk is no property of a method."""

    def full(*_):
        raise UserError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(runs.Trainer, "iterate", full)
        seen = hooks()
        out = run_study(made.planned("gan"), tmp_path / "s", seen)
    assert seen.failed == {"gan-s0": "disk full"}
    status = made.status(out, "gan-s0")
    assert (status["reason"], status["exit_code"]) == ("disk full", 2)
    again = hooks()
    run_study(made.planned("gan"), tmp_path / "s", again)
    assert again.failed == {}
    assert made.status(out, "gan-s0")["state"] == "finished"


def test_an_error_that_nobody_foresaw_is_a_reason_too(made, hooks, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(runs.Trainer, "iterate", lambda trainer: 1 / 0)
        seen = hooks()
        out = run_study(made.planned("gan", "wgan"), tmp_path / "s", seen)
    assert list(seen.failed) == ["gan-s0", "wgan-s0"]
    reason = "unexpected ZeroDivisionError: division by zero"
    assert (seen.failed["gan-s0"], made.status(out, "gan-s0")["reason"]) == (reason, reason)
    assert made.status(out, "gan-s0")["exit_code"] == 1, "with 3 it would never be tried again"


def test_a_study_grows_by_methods_and_seeds(made, hooks, tmp_path):
    run_study(made.planned("gan"), tmp_path / "s", hooks())
    seen = hooks()
    run_study(made.planned("gan", "wgan", seeds=(0, 1)), tmp_path / "s", seen)
    assert begun(seen) == ["wgan-s0", "gan-s1", "wgan-s1"]
    assert read_study(tmp_path / "s")["seeds"] == [0, 1]
    with pytest.raises(UserError, match="another study"):
        run_study(made.planned("gan", "wgan"), tmp_path / "s", hooks())
    with pytest.raises(UserError, match="another study"):
        run_study(made.planned("gan", seeds=(0, 1)), tmp_path / "s", hooks())


@pytest.mark.parametrize(
    "change",
    [
        {"steps": 4},
        {"data": "grid"},
        {"settings": ("log_every=2",)},
        {"device": "auto"},
        {"settings": ("log_every=1", "precision=bf16")},
    ],
)
def test_another_study_in_the_folder_is_refused(made, hooks, tmp_path, change):
    begin(made.planned("gan"), tmp_path / "s")
    before = (tmp_path / "s/study.json").read_bytes()
    with pytest.raises(UserError, match="another study"):
        run_study(made.planned("gan", **change), tmp_path / "s", hooks())
    assert (tmp_path / "s/study.json").read_bytes() == before


def test_other_pixels_under_the_same_name_are_another_study(made, tmp_path):
    from dataclasses import replace

    study = made.planned("gan")
    begin(study, tmp_path / "s")
    other = replace(study, data=replace(study.data, fingerprint="e" * 64))
    with pytest.raises(UserError, match="another study"):
        begin(other, tmp_path / "s")


def test_a_worker_refuses_data_that_changed_since_the_study_began(made, hooks, tmp_path):
    begin(made.planned("gan"), tmp_path / "s")
    path = tmp_path / "s/study.json"
    facts = json.loads(path.read_text())
    facts["data_used"]["fingerprint"] = "e" * 64
    path.write_text(json.dumps(facts))
    from steadygan.study.work import work

    with pytest.raises(UserError, match="not what this study began with"):
        work(tmp_path / "s", "gan-s0", lambda event: None, lambda: None)


def test_another_count_of_jobs_changes_no_thread(made, tmp_path):
    begin(made.planned("gan", threads=2), tmp_path / "s")
    assert begin(made.planned("gan", threads=1), tmp_path / "s")["threads"] == 2
    asked = ("log_every=1", "threads=3")
    assert begin(made.planned("gan", settings=asked), tmp_path / "t")["threads"] == 3


def test_strangers_in_the_folder_are_refused(made, hooks, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match="not empty"):
        run_study(made.planned("gan"), tmp_path, hooks())
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_nothing_is_written_where_an_entry_does_not_fit(made, hooks, tmp_path):
    with pytest.raises(UserError, match="fewer than one batch"):
        run_study(made.planned("gan", "wgan:batch=60000"), tmp_path / "s", hooks())
    assert not (tmp_path / "s").exists()


def test_a_run_is_found_by_its_name(made):
    facts = made.planned("gan", "wgan", seeds=(0, 1)).facts()
    assert planned(facts, "wgan-s1") == ("wgan", 1)
    with pytest.raises(UserError, match="did you mean 'wgan-s1'"):
        planned(facts, "wgan-s11")


@pytest.mark.parametrize("text", ["", "[]", "{}", "{"])
def test_a_damaged_study_json_is_one_line(tmp_path, text):
    (tmp_path / "study.json").write_text(text)
    with pytest.raises(UserError, match=r"study\.json") as caught:
        read_study(tmp_path)
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="no study folder"):
        read_study(tmp_path / "none")


def test_what_all_runs_need_is_made_before_the_first_one(made, hooks, tmp_path, monkeypatch):
    order = []
    monkeypatch.setattr(compare.Judge, "prepare", lambda judge: order.append("prepared"))
    study = made.planned("gan")
    seen = hooks()
    seen.engine = lambda *given: order.append("worked") or {}
    run_study(study, tmp_path / "s", seen)
    assert order == ["prepared", "worked"]


def test_failures_of_now_and_before_are_told_in_turn_and_the_watch_knows_what_is_done(
    made, hooks, tmp_path, monkeypatch
):
    """Of three runs the second failed for good before; the first and the third fail now."""
    states = {"wgan-s0": {"state": "failed", "reason": "NaN in D", "exit_code": 3}}
    monkeypatch.setattr(compare, "is_done", lambda path, count: path.name in states)
    monkeypatch.setattr(compare, "status_of", lambda path: states.get(path.name, {}))
    monkeypatch.setattr(compare.Judge, "prepare", lambda judge: None)
    seen, given, counts = hooks(), [], []
    seen.watching = lambda runs, done: counts.append((runs, done))

    def engine(out, runs, watch, stop):
        given.append((runs, stop))
        return dict.fromkeys(reversed(runs), ("no room", 2))

    seen.engine = engine
    run_study(made.planned("gan", "wgan", "dragan"), tmp_path / "s", seen)
    assert given == [(["gan-s0", "dragan-s0"], seen.stop)]
    assert counts == [(3, 1)]
    reasons = "gan-s0: no room; wgan-s0: NaN in D; dragan-s0: no room"
    with pytest.raises(StudyError, match=f"^3 run.s. failed: {reasons}$"):
        raise_if_failed(seen)


def test_a_run_that_is_finished_but_not_judged_is_judged(made, hooks, tmp_path):
    out = run_study(made.planned("gan"), tmp_path / "s", hooks())
    path = out / "runs/gan-s0/run.json"
    facts = json.loads(path.read_text())
    del facts["judged_step"]
    path.write_text(json.dumps(facts))
    history = (out / "runs/gan-s0/history.jsonl").read_bytes()
    run_study(made.planned("gan"), out, hooks())
    assert json.loads(path.read_text())["judged_step"] == 3
    assert (out / "runs/gan-s0/history.jsonl").read_bytes() == history


def test_errors_keep_their_exit_code():
    from steadygan.errors import in_a_line

    assert in_a_line(NonFiniteError("NaN")) == ("NaN", 3)
    assert in_a_line(ValueError("a\nb")) == ("unexpected ValueError: a", 1)


def test_a_second_compare_of_one_study_is_refused_before_it_touches_a_run(made, hooks, tmp_path):
    """R9b: it would wait for the runs that the first one trains, and then call them failed."""
    study, seen = made.planned("gan", "wgan"), []

    def engine(out, runs, watch, stop):
        failures = made.here(out, runs[:1], watch, stop)
        before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
        with pytest.raises(BusyError, match="another `steadygan compare` works on this study"):
            run_study(made.planned("gan", "wgan", seeds=(0, 1)), out, hooks())
        seen.append({path: path.read_bytes() for path in out.rglob("*") if path.is_file()})
        assert seen == [before]
        return failures

    first = hooks()
    first.engine = engine
    run_study(study, tmp_path / "s", first)
    assert len(seen) == 1
    run_study(study, tmp_path / "s", hooks())  # the lock went with the first
    assert made.status(tmp_path / "s", "wgan-s0")["state"] == "finished"


def test_a_study_locks_no_folder_of_anyone_else(made, hooks, tmp_path):
    (tmp_path / "thesis.txt").write_text("the only copy")
    with pytest.raises(UserError, match="not empty and no study"):
        run_study(made.planned("gan"), tmp_path, hooks())
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_run_that_another_process_writes_is_not_called_failed(made, tmp_path):
    begin(made.planned("gan"), tmp_path)
    path = work(tmp_path, "gan-s0", lambda event: None, lambda: None)
    facts = json.loads((path / "run.json").read_text())
    facts["status"]["state"] = "running"
    (path / "run.json").write_text(json.dumps(facts))
    with RunFolder.open(path):
        mark_failed(path, "busy", 2)
        assert made.status(tmp_path, "gan-s0")["state"] == "running"
    mark_failed(path, "killed", 137)
    assert made.status(tmp_path, "gan-s0")["reason"] == "killed"


def test_a_run_that_was_measured_on_fewer_samples_by_itself_is_measured_again(made, tmp_path):
    """`steadygan resume` of a single run measures as many as during training."""
    begin(made.planned("gan"), tmp_path)
    path = work(tmp_path, "gan-s0", lambda event: None, lambda: None)
    facts = json.loads((path / "run.json").read_text())
    assert facts["measures"]["quality"]["count"] == 100
    facts["measures"]["quality"]["count"] = 60
    facts["diagnosis"] = None
    (path / "run.json").write_text(json.dumps(facts))
    assert not is_done(path, 100)
    work(tmp_path, "gan-s0", lambda event: None, lambda: None)
    facts = json.loads((path / "run.json").read_text())
    assert facts["measures"]["quality"]["count"] == 100
    assert facts["diagnosis"] is not None, "a run that was killed before its diagnosis gets one"
    assert is_done(path, 100)


def test_a_run_that_stopped_on_nan_is_diagnosed(made, tmp_path):
    begin(made.planned("gan:lr=1e18", steps=30), tmp_path)
    with pytest.raises(NonFiniteError):
        work(tmp_path, "gan-lr-1e18-s0", lambda event: None, lambda: None)
    found = json.loads((tmp_path / "runs/gan-lr-1e18-s0/run.json").read_text())["diagnosis"]
    assert found["headline"]["name"] == "non-finite"


def test_reasons_of_the_last_tables_are_kept_for_what_no_run_tells_and_no_more(
    made, hooks, tmp_path
):
    out = run_study(made.planned("gan"), tmp_path / "s", hooks())
    path = out / "runs/gan-s0/run.json"
    facts = json.loads(path.read_text())
    del facts["judged_step"]
    path.write_text(json.dumps(facts))
    write_tables(out, failed={"gan-s0": "the disk is full"})
    for _ in range(2):
        assert read_results(out).runs[0].reason == "not judged: the disk is full"
        write_tables(out)
    facts["status"]["state"] = "running"
    path.write_text(json.dumps(facts))
    assert read_results(out).runs[0].reason == "", "it is resumed: that was before"
