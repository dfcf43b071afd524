"""A study on tiny networks: runs, goes on, keeps failures as results."""

import json
from dataclasses import replace

import numpy as np
import pytest

from steadygan.data import Dataset, DataSettings, Split
from steadygan.errors import StudyError, UserError
from steadygan.study.compare import Outside, Study, entries_of, raise_if_failed, run_study
from steadygan.study.request import read_request
from steadygan.training import Hooks, Stopped

TINY = {"width": "4", "batch": "8"}
INFO = "infogan:hidden=8,q_hidden=4"


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    split = Split(rng.integers(0, 256, (64, 1, 28, 28), dtype=np.uint8), None)
    return Dataset(
        name="random", spec="random", shape=(1, 28, 28), train=split, test=split, class_names=None,
        fingerprint="f" * 64, quarantine=(), settings=DataSettings(size=28, channels=1),
    )  # fmt: skip


def study(data, *words, steps=3, seed=0):
    entries = entries_of(words, data.shape, TINY)
    request = read_request(["log_every=1"])
    return Study(entries, data, request, seed, steps, None, "cpu", "steadygan compare")


def status(out, run):
    return json.loads((out / "runs" / run / "run.json").read_text())["status"]["state"]


def test_every_entry_gets_a_finished_run_and_is_evaluated(data, tmp_path):
    judged = []
    out = run_study(study(data, "gan", INFO), tmp_path / "s", Outside(evaluate=judged.append))
    facts = json.loads((out / "study.json").read_text())
    assert facts["runs"] == ["runs/gan-s0", "runs/infogan-hidden-8-q_hidden-4-s0"]
    assert [f"runs/{path.name}" for path in judged] == facts["runs"]
    assert status(out, "gan-s0") == status(out, "infogan-hidden-8-q_hidden-4-s0") == "finished"


def test_called_again_it_trains_nothing_twice(data, tmp_path):
    run_study(study(data, "gan"), tmp_path / "s", Outside())
    before = (tmp_path / "s/runs/gan-s0/history.jsonl").read_bytes()
    turns = []
    outside = Outside(hooks=lambda name: Hooks(on_turn=turns.append))
    run_study(study(data, "gan"), tmp_path / "s", outside)
    assert (tmp_path / "s/runs/gan-s0/history.jsonl").read_bytes() == before
    assert turns == []


def test_a_study_that_was_stopped_goes_on(data, tmp_path, monkeypatch):
    seen = []

    def stop():
        seen.append(1)
        return Stopped("stopped", 143) if len(seen) == 2 else None

    with pytest.raises(Stopped):
        run_study(study(data, "gan"), tmp_path / "s", Outside(hooks=lambda n: Hooks(stop=stop)))
    assert status(tmp_path / "s", "gan-s0") == "stopped"
    # A data set that a test makes cannot be opened again by its name.
    monkeypatch.setattr("steadygan.training.runs.open_data", lambda *a, **k: data)
    run_study(study(data, "gan"), tmp_path / "s", Outside())
    assert status(tmp_path / "s", "gan-s0") == "finished"
    history = (tmp_path / "s/runs/gan-s0/history.jsonl").read_text()
    steps = [json.loads(line)["step"] for line in history.splitlines()]
    assert steps == [0, 1, 2, 3]


def test_a_failed_run_is_a_result_and_the_study_goes_on(data, tmp_path):
    """A learning rate of 1e38 makes the weights infinite at the first step."""
    plan = study(data, "gan:lr=1e38", INFO, steps=5)
    outside = Outside(say=lambda text: None)
    out = run_study(plan, tmp_path / "s", outside)
    failed, fine = (run.removeprefix("runs/") for run in plan.facts()["runs"])
    assert status(out, failed) == "failed"
    assert status(out, fine) == "finished"
    with pytest.raises(StudyError, match="1 run") as caught:
        raise_if_failed(outside)
    assert caught.value.exit_code == 5
    again = Outside(say=lambda text: None)
    run_study(plan, tmp_path / "s", again)
    assert len(again.failed) == 1, "a failed run stays failed, and is said again"


def test_another_study_or_strangers_in_the_folder_are_refused(data, tmp_path):
    run_study(study(data, "gan"), tmp_path / "s", Outside())
    with pytest.raises(UserError, match="another study"):
        run_study(study(data, "gan", steps=4), tmp_path / "s", Outside())
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match="not empty"):
        run_study(study(data, "gan"), tmp_path / "t", Outside())
    assert [p.name for p in (tmp_path / "t").iterdir()] == ["thesis.txt"]


def test_a_study_with_other_data_or_run_settings_is_another_study(data, tmp_path):
    run_study(study(data, "gan"), tmp_path / "s", Outside())
    for change in (
        {"device": "auto"},
        {"request": read_request(["log_every=1", "precision=bf16"])},
    ):
        with pytest.raises(UserError, match="another study"):
            run_study(replace(study(data, "gan"), **change), tmp_path / "s", Outside())
    other = replace(data, fingerprint="e" * 64)
    with pytest.raises(UserError, match="another study"):
        run_study(study(other, "gan"), tmp_path / "s", Outside())


def test_nothing_is_written_where_an_entry_does_not_fit(data, tmp_path):
    with pytest.raises(UserError, match="fewer than one batch"):
        run_study(study(data, "gan", "infogan:batch=128"), tmp_path / "s", Outside())
    assert not (tmp_path / "s").exists()
