"""How the runs of a study are judged: images by features, points by their modes."""

import itertools
import json
import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from steadygan.errors import UserError
from steadygan.features import classifier, feature_classifier
from steadygan.stability.curve import distance_in
from steadygan.study import judge as judges
from steadygan.study.compare import StudyHooks, run_study
from steadygan.study.judge import Judge
from steadygan.study.plan import Evaluation
from steadygan.study.results import read_results
from steadygan.study.table import main_key, write_tables
from steadygan.training import Goal, Stopped
from steadygan.training.runfolder import read_facts, read_history

IMAGES = ("size=16", "log_every=0")
FEW = Evaluation(every="4", draft=150, count=200)


@pytest.fixture(scope="module")
def own_cache(tmp_path_factory):
    """So that no other test meets the hasty classifiers of these."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def hasty(monkeypatch, own_cache):
    """Classifiers that have seen a few batches: any features will do here."""
    monkeypatch.setenv("STEADYGAN_CACHE", str(own_cache))
    long = feature_classifier.fit

    def short(network, data, progress):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(feature_classifier, "IMAGES", 2560)
            long(network, data, progress)

    monkeypatch.setattr(feature_classifier, "fit", short)
    monkeypatch.setattr(classifier, "IMAGES", 2560)


@pytest.fixture
def digits(made):
    return made.planned("gan", data="mnist", steps=8, settings=IMAGES, evaluation=FEW)


def judge_of(study, **changes):
    said = []
    found = Judge(study.data, FEW.model_copy(update=changes), said.append)
    found.said = said
    return found


def test_a_study_of_images_is_judged_on_the_way_at_last_and_at_best(hasty, digits, made, tmp_path):
    out = run_study(digits, tmp_path / "s", StudyHooks(engine=made.here, say=lambda text: None))
    run = out / "runs/gan-s0"
    lines = [line for line in read_history(run) if "fid" in line]
    assert [line["step"] for line in lines] == [0, 4, 8]
    numbers = ("fid", "kid", "precision", "recall", "density", "coverage", "sharpness",
               "sharpness_difference", "inception_score", "evaluate_seconds")  # fmt: skip
    assert all(isinstance(line[key], float) for line in lines for key in numbers)
    facts = read_facts(run)
    assert (facts["evaluation"]["count"], facts["evaluation"]["features"]) == (150, "classifier")
    assert 0 < facts["evaluation"]["real"] < facts["evaluation"]["noise"]
    assert 0 < facts["evaluation"]["real_sd"] < facts["evaluation"]["real"]
    assert facts["evaluation"]["real_draws"] == 10
    assert len(facts["evaluation"]["feature_hash"]) == 64
    assert facts["evaluation"]["weights"] is None
    quality = facts["measures"]["quality"]
    best = min(lines[1:], key=lambda line: line["fid"])
    assert (quality["last"]["step"], quality["best"]["step"]) == (8, best["step"])
    assert (quality["count"], quality["last"]["count"]) == (200, 200)
    assert quality["real"]["inception_score"] > 1
    assert quality["last"]["class_kl"] == quality["last"]["classes"]["kl"]
    assert "share" in facts["measures"]["recognisable"]
    json.dumps(facts, allow_nan=False)
    write_tables(out)
    text = (out / "table.md").read_text()
    assert "FID-classifier at best" in text
    assert "Stability: 150 samples an evaluation, every 4" in text
    tables = json.loads((out / "tables.json").read_text())
    assert tables["runs"][0]["quality"]["last"]["fid"] == quality["last"]["fid"]
    assert tables["runs"][0]["stability"]["evaluations"] == 2


def test_a_stop_ends_the_preparations(hasty, digits, made, tmp_path, monkeypatch):
    monkeypatch.setenv("STEADYGAN_CACHE", str(tmp_path / "cache"))
    looks, seen = [], []

    def stop():
        looks.append(True)
        return Stopped("stopped", 143) if len(looks) == 3 else None

    hooks = StudyHooks(engine=made.here, say=lambda text: None, stop=stop,
                      bar=lambda name: lambda done, total: seen.append(done))  # fmt: skip
    with pytest.raises(Stopped):
        run_study(digits, tmp_path / "s", hooks)
    assert seen == [1, 2]
    assert not (tmp_path / "s/runs").exists()


def test_the_quality_at_best_is_that_of_the_kept_generator(hasty, digits, made, tmp_path):
    """Where the best evaluation is the last one it is not measured again, and would be the same."""
    study = replace(digits, evaluation=FEW.model_copy(update={"every": "8"}))
    out = run_study(study, tmp_path / "s", StudyHooks(engine=made.here, say=lambda text: None))
    quality = read_facts(out / "runs/gan-s0")["measures"]["quality"]
    best = quality["best"]
    assert best.pop("step") == quality["last"]["step"] == 8
    again = judge_of(study, every="8").at_best(out / "runs/gan-s0")
    assert set(best) == set(again)
    assert [best[key] for key in again] == pytest.approx(list(again.values()), rel=1e-9)


def test_the_grid_at_best_shows_the_latents_of_the_other_grids(made, tmp_path, monkeypatch):
    """Here every evaluation is worse than the one before it."""
    distances = itertools.count(1.0)
    monkeypatch.setattr(Judge, "from_real", lambda self, points: next(distances))
    study = made.planned("gan", steps=4, settings=("sample_every=2",))
    run = run_study(study, tmp_path / "s", StudyHooks(engine=made.here)) / "runs/gan-s0"
    best = read_facts(run)["best"]
    assert best == {"step": 2, "samples": "samples/best-step-000002.png"}
    drawn = (run / best["samples"]).read_bytes()
    assert drawn == (run / "samples/step-000002.png").read_bytes()
    assert drawn != (run / "samples/step-000004.png").read_bytes()
    left = run / "samples/best-step-000001.png"
    left.write_bytes(drawn)
    judge_of(study).finished(run)
    assert not left.exists()
    assert (run / best["samples"]).exists()


def test_a_generator_with_codes_has_its_table_at_best_too(hasty, made, tmp_path):
    study = made.planned("infogan", data="mnist", steps=2, settings=IMAGES, evaluation=FEW)
    study = replace(study, evaluation=FEW.model_copy(update={"every": "2"}))
    out = run_study(study, tmp_path / "s", StudyHooks(engine=made.here, say=lambda text: None))
    run = out / "runs/infogan-s0"
    best = read_facts(run)["best"]
    assert best == {"step": 2, "samples": "samples/best-step-000002.png",
                    "codes": "samples/codes-best-step-000002.png"}  # fmt: skip
    last = run / "samples/codes-step-000002.png"
    assert (run / best["codes"]).read_bytes() == last.read_bytes()


def test_the_draft_of_real_images_is_near_and_that_of_noise_is_far(hasty, digits):
    found = judge_of(digits)
    found.prepare()
    noise = np.random.default_rng(1).integers(0, 256, (150, 1, 16, 16), np.uint8)
    real = np.array(digits.data.test.items[:150])
    near, far = found.draft(real), found.draft(noise)
    assert near["fid"] < 0.2 * far["fid"]
    assert near["kid"] < far["kid"]
    assert near["sharpness_difference"] < far["sharpness_difference"]
    assert abs(far["fid"] / found.references["noise"] - 1) < 0.2


def test_too_few_samples_for_the_features_are_compared_by_energy_distance(
    hasty, digits, made, tmp_path
):
    """Without a Frechet distance a run still has a curve, its levels and a best generator."""
    few = {"every": "2", "draft": 60, "count": 60}
    judge = judge_of(digits, **few)
    near = judge.draft(np.array(digits.data.test.items[:60]))
    assert "fid" not in near
    assert distance_in(near) == near["energy_distance"]
    assert judge.distance == "energy_distance"
    assert judge_of(digits).distance == "fid"
    levels = judge.references
    assert levels["real"] < 0.2 * levels["noise"]
    assert levels["real_sd"] > 0
    assert any("compare by energy distance: 60 samples do not fill" in text for text in judge.said)

    study = replace(digits, evaluation=FEW.model_copy(update=few))
    out = run_study(study, tmp_path / "s", StudyHooks(engine=made.here, say=lambda text: None))
    run = out / "runs/gan-s0"
    assert read_facts(run)["best"] is not None
    stable = read_results(out).runs[0].stability
    assert math.isfinite(stable.last_over_best)
    assert main_key(read_results(out)) == "energy_distance"
    assert "energy distance-classifier at best" in write_tables(out).read_text()


def test_features_none_leaves_distances_out(hasty, digits, made, tmp_path):
    study = replace(digits, evaluation=FEW.model_copy(update={"features": "none"}))
    out = run_study(study, tmp_path / "s", StudyHooks(engine=made.here, say=lambda text: None))
    facts = read_facts(out / "runs/gan-s0")
    assert facts["best"] is None
    assert not any("fid" in line for line in read_history(out / "runs/gan-s0"))
    assert list(facts["measures"]) == ["recognisable"]
    assert "evaluation" not in facts
    assert "| gan | 1 of 1 |" in write_tables(out).read_text()


def test_where_auto_finds_no_features_that_is_said_and_a_name_is_an_error(digits, monkeypatch):
    def missing(name, *_, **__):
        raise UserError(f"{name}: not there")

    monkeypatch.setattr(judges, "find_features", missing)
    found = judge_of(digits)
    assert found.measure() is None
    assert found.said == ["no distance is measured: auto: not there"]
    with pytest.raises(UserError, match="effnet: not there"):
        judge_of(digits, features="effnet").measure()


def test_points_are_judged_by_their_modes_and_the_energy_distance(made, tmp_path):
    study = made.planned("gan", steps=4)
    out = run_study(study, tmp_path / "s", StudyHooks(engine=made.here))
    facts = read_facts(out / "runs/gan-s0")
    assert 0 < facts["evaluation"]["real"] < facts["evaluation"]["noise"]
    assert facts["evaluation"]["real_sd"] > 0
    quality = facts["measures"]["quality"]
    assert quality["last"]["modes_in_data"] == 8
    assert {"energy_distance", "modes", "high_quality"} <= set(quality["best"])
    real = torch.from_numpy(study.data.train.items[:2000].copy())
    found = judge_of(study).draft_of_points(real)
    assert (found["modes"], found["high_quality"] > 0.9) == (8, True)
    assert found["energy_distance"] < 0.005


def test_no_evaluation_where_none_is_asked_for(made):
    study = made.planned("gan")
    hook = judge_of(study, every=None).evaluator(Goal(steps=3))
    assert hook(SimpleNamespace(turn=0)) is None


def test_a_stop_is_seen_while_a_run_is_judged(hasty, digits, made, tmp_path):
    """Judging thousands of samples takes long: a study that is told to stop must not wait."""
    from steadygan.study.plan import begin
    from steadygan.study.work import is_done, work

    begin(digits, tmp_path)
    Judge(digits.data, digits.evaluation, lambda text: None).prepare()
    judging = []

    def tell(event):
        judging.extend([1] * str(event.get("detail", "")).startswith("judging"))

    stop = lambda: Stopped("stopped", 143) if judging else None  # noqa: E731
    with pytest.raises(Stopped):
        work(tmp_path, "gan-s0", tell, stop)
    assert made.status(tmp_path, "gan-s0")["state"] in ("finished", "stopped")
    assert not is_done(tmp_path / "runs/gan-s0", 200)
    work(tmp_path, "gan-s0", lambda event: None, lambda: None)
    assert is_done(tmp_path / "runs/gan-s0", 200)
