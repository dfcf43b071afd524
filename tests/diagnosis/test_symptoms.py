"""Symptoms: each holds where its signals say so, and none holds of healthy runs."""

from pathlib import Path

import numpy as np
import pytest

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import KINDS
from steadygan.diagnosis.ranking import diagnosed
from steadygan.diagnosis.rules import ON_GAME
from steadygan.diagnosis.symptoms import findings, symptoms
from tests.diagnosis.cases import BAD, CASES, evidence


def test_every_symptom_has_a_case_and_a_docstring():
    assert set(CASES) == set(symptoms())
    for name, look in symptoms().items():
        module = __import__(look.__module__, fromlist=["look"])
        assert module.__doc__, name
        assert len(module.__doc__.split()) > 6, name


@pytest.mark.parametrize("name", CASES)
def test_it_holds_where_its_signals_say_so(name):
    held = {finding.name: finding for finding in findings(evidence(**CASES[name]))}
    assert name in held
    assert held[name].kind in KINDS
    assert held[name].says
    assert 0 < held[name].confidence <= 1
    assert not set(held[name].explains) - set(symptoms()), "it explains what there is"


#: Those that are named whatever else holds: the others are effects, or notes.
NAMED = [name for name in CASES if name not in {*ON_GAME, "copies", "still-improving",
                                                "train-eval-gap", "hardly-moved",
                                                "constant-border"}]  # fmt: skip


@pytest.mark.parametrize("name", [*NAMED, "hardly-moved"])
def test_a_cause_is_the_headline_over_what_it_explains(name):
    found = diagnosed(evidence(**CASES[name]))
    assert found.verdict == "fault"
    assert found.headline.name == name
    seen = {finding.name for finding in (*found.effects, *found.others)}
    assert not seen & {name}


@pytest.mark.parametrize("method", ["dcgan", "lsgan", "wgan", "wgan-gp", "sngan", "infogan", "gan"])
def test_nothing_holds_of_a_healthy_run(method):
    late = {"code_effect": 0.9} if method == "infogan" else {}
    run = evidence(late=late, method=method)
    assert findings(run) == []
    assert diagnosed(run).verdict == "healthy"
    assert not diagnosed(run).is_fault


def test_good_samples_are_no_fault_whatever_the_settings():
    """lr x 50, batch norm under a penalty, swapped labels: harmless where samples are good."""
    for name in ("g-rate-too-high", "beta1-too-high", "d-steps-too-many", "batch-too-small",
                 "mixed-batches", "critic-unbounded", "spectral-norm-missing",
                 "capacity"):  # fmt: skip
        case = {**CASES[name], "late": {}}
        assert diagnosed(evidence(**case)).verdict == "healthy", name
    swapped = {"auc": 0.0, "d_gain": -0.3}
    assert diagnosed(evidence(late=swapped)).verdict == "healthy"
    memorised = diagnosed(evidence(late={"auc_memory": 0.95}))
    assert memorised.verdict == "healthy"
    assert [finding.name for finding in memorised.others] == ["d-memorises"]


@pytest.mark.parametrize(("method", "more"), [("dcgan", {"d_norm": "none"}), ("sngan", {}),
                                              ("gan", {})])  # fmt: skip
def test_a_joint_batch_is_no_cause_where_d_has_no_batch_norm(method, more):
    settings = {"joint_batches": "true", **more}
    found = diagnosed(evidence(late={**BAD, "auc": 0.5}, method=method, settings=settings))
    assert found.headline.name == "d-too-weak"


def test_a_switch_is_advised_as_it_is_typed():
    (advice,) = diagnosed(evidence(**CASES["mixed-batches"])).headline.advice
    assert advice.settings == "joint_batches=false"


def test_noise_is_said_of_good_samples_and_is_no_checkerboard():
    """As of a fully connected GAN on digits: recognised, and covered with specks."""
    found = diagnosed(evidence(late={"nyquist": 0.84, "fine": 0.52}))
    assert found.verdict == "healthy"
    assert [each.name for each in found.others] == ["noisy-samples"]
    assert "3.3 times the fine detail" in found.others[0].says
    names = [each.name for each in findings(evidence(late={**BAD, "nyquist": 1.6, "fine": 0.5}))]
    assert "checkerboard" in names
    assert "noisy-samples" not in names


def test_without_probes_only_facts_decide():
    bare = evidence(reason=CASES["non-finite"]["reason"])
    assert diagnosed(Evidence(bare.facts, [])).headline.name == "non-finite"
    run = evidence()
    found = diagnosed(Evidence(run.facts, [{"step": 5, "images": 1}]))
    assert found.verdict == "undecided"
    assert "probes" in found.needs
    few = diagnosed(Evidence(run.facts, run.history[:2]))
    assert few.verdict == "undecided"
    assert "2 more probes" in few.says


def test_a_short_run_that_gets_better_is_told_to_go_on():
    run = evidence(late={"way": 0.6, "ema_way": 0.7})
    found = diagnosed(Evidence(run.facts, run.history[:2]))
    assert found.verdict == "improving"
    assert not found.is_fault


def test_bad_samples_without_a_cause_are_said_to_have_none():
    found = diagnosed(evidence(late={"way": 0.4, "ema_way": 0.4}))
    assert found.verdict == "unexplained"
    assert found.is_fault


def test_the_first_advice_undoes_what_the_run_changes():
    found = diagnosed(evidence(**CASES["g-rate-too-low"]))
    assert found.headline.advice[0].settings == "g_optimizer.lr=0.0002"


@pytest.mark.parametrize(
    "recipe",
    [{}, {"on_d": [{"name": "x", "weight": "heavy"}]}, {"d_optimizer": [1], "g_optimizer": "adam"},
     {"objective": {"name": "nobody"}, "networks": 3, "batch": "all", "shared": 7}],
)  # fmt: skip
def test_a_strange_recipe_breaks_no_symptom(recipe):
    run = evidence(late=BAD)
    assert diagnosed(Evidence({**run.facts, "recipe": recipe}, run.history)).is_fault
    assert diagnosed(Evidence({"method": "no-such", "recipe": recipe}, run.history)).is_fault


def test_the_pages_are_those_of_the_files():
    import importlib.util

    root = Path(__file__).parents[2]
    spec = importlib.util.spec_from_file_location("lister", root / "tools/list_symptoms.py")
    lister = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(lister)
    pages = lister.pages()
    assert {path.stem for path in pages} - {"symptoms"} == set(symptoms())
    there = set((root / "docs" / "diagnosis").glob("*.md"))
    assert there <= set(pages), "a page of a symptom that is no more"
    for path, text in pages.items():
        assert path.read_text() == text, f"{path}: run tools/list_symptoms.py"


def test_beside_good_samples_only_what_they_do_not_show_is_a_fault():
    hidden = {"non-finite", "codes-ignored", "noise-ignored", "encoder-failed", "blank-images",
              "one-class", "unshuffled"}  # fmt: skip
    for name, case in CASES.items():
        late = {key: value for key, value in dict(case.get("late", {})).items()
                if key not in ("way", "ema_way")}  # fmt: skip
        found = diagnosed(evidence(**{**case, "late": late}))
        assert found.is_fault == (name in hidden), name


def test_data_are_judged_by_the_first_probe_that_saw_them():
    run = evidence(**CASES["blank-images"])
    later = [{**line, "step": line["step"] + 20} for line in run.history]
    assert diagnosed(Evidence(run.facts, later)).headline.name == "blank-images"


def test_codes_say_nothing_where_all_samples_are_one():
    for effect in (0.02, 20.0):
        late = {**BAD, "diversity": 0.001, "code_effect": effect}
        held = {f.name for f in findings(evidence(late=late, method="infogan"))}
        assert not held & {"codes-ignored", "noise-ignored"}
        assert "total-collapse" in held


def test_batches_far_from_the_mean_of_all_are_unshuffled_however_diverse():
    late = {**BAD, "batch_shift": 9.0, "batch_diversity": 0.95}
    assert diagnosed(evidence(late=late)).headline.name == "unshuffled"
    shifted = {**late, "batch_min": 0.0}
    assert diagnosed(evidence(late=shifted)).headline.name == "range-mismatch"


def test_the_mean_of_a_batch_of_points_is_further_off_by_chance():
    for shift, said in ((9.0, False), (11.0, True)):
        late = {**BAD, "batch_shift": shift, "batch_diversity": 0.95}
        case = evidence(late=late, facts={"data": {"shape": [2]}})
        assert ("unshuffled" in {f.name for f in findings(case)}) == said


def test_the_share_of_a_process_may_be_too_small_to_say_that_nothing_is_shuffled():
    late = {**BAD, "batch_diversity": 0.4}
    for processes, said in ((1, True), (16, False)):
        case = evidence(late=late, facts={"processes": processes})
        assert ("unshuffled" in {f.name for f in findings(case)}) == said


def test_an_encoder_that_rebuilds_nothing_is_a_note():
    found = diagnosed(evidence(late={"reconstruction": 1.1}, method="bigan"))
    assert found.verdict == "healthy"
    assert [each.name for each in found.others] == ["encoder-failed"]


def test_scores_of_critics_may_lie_anywhere():
    case = {**CASES["scores-in-unit-range"], "method": "wgan"}
    assert "scores-in-unit-range" not in {f.name for f in findings(evidence(**case))}


def test_data_beyond_the_end_of_tanh_are_a_mismatch():
    late = {**BAD, "real_max": 2.1, "batch_max": 2.1, "fake_max": 0.99}
    assert diagnosed(evidence(late=late)).headline.name == "range-mismatch"


def test_an_average_that_follows_a_generator_that_has_just_improved_is_not_stale():
    """Of a run of `make demo`: G came from 1.2 to .62 between two probes, its average to .97."""
    following = {"way": [1.23, 1.2, 0.62, 0, 0, 0], "ema_way": [1.23, 1.21, 0.97, 0, 0, 0]}
    stale = {"way": [0.9, 0.4, 0.2, 0, 0, 0], "ema_way": [0.97] * 6}
    for late, wanted in ((following, False), (stale, True)):
        names = [each.name for each in findings(evidence(late=late, probes=3))]
        assert ("stale-average" in names) == wanted


# ---- evaluations during training, where a run has them ------------------------------------------


def evaluated(name, *distances, real=10.0):
    """The case of a symptom as a run that was evaluated at its last probes, real samples at 10."""
    run = evidence(**CASES.get(name, {}))
    lines = [dict(line) for line in run.history]
    for line, distance in zip(lines[-len(distances) :], distances, strict=True):
        line["fid"] = distance
    facts = {**run.facts, "evaluation": {"real": real, "real_sd": 1.0, "noise": 500.0}}
    return Evidence(facts, lines)


def named(run):
    return {finding.name for finding in findings(run)}


def test_a_relapse_is_one_by_the_evaluations_too():
    """128 samples of a probe may get farther away where 2,000 do not."""
    assert "relapse" in named(evaluated("relapse", 60.0, 30.0, 20.0, 26.0))
    assert "relapse" not in named(evaluated("relapse", 60.0, 30.0, 20.0, 24.0))
    assert "relapse" not in named(evaluated("relapse", 60.0, 40.0, 30.0, 20.0))
    assert "relapse" in named(evaluated("relapse", 60.0, 20.0)), "two are no course"
    stale = evaluated("relapse", 60.0, 30.0, 20.0, None, None)
    assert "relapse" in named(stale), "and those of long ago none either"


def test_whether_samples_still_get_better_is_read_off_the_evaluations():
    """By a straight line through their logarithms above the 10 of real samples, of the last half,
    which is followed over the last third."""
    run = evaluated("d-overpowers", 90.0, 80.0, 70.0, 60.0, 50.0, 40.0)
    line = np.polyfit(np.log([350, 466, 583, 700]), np.log([60, 50, 40, 30]), 1)
    assert run.fell == pytest.approx(1 - 1.5 ** line[0], rel=1e-6)
    assert "still-improving" in named(run)
    assert not {"d-overpowers", "plateau"} & named(run)
    flat = evaluated("still-improving", 90.0, 60.0, 41.0, 41.0, 40.5, 40.0)
    assert 0 < flat.fell < 0.05
    assert "still-improving" not in named(flat)
    assert "plateau" in named(flat)


def test_healthy_probes_of_samples_that_are_not_usable_are_told_as_not_good_yet():
    """90 % of the way from noise, 500, to real samples, 10, is 59."""
    far = diagnosed(evaluated("healthy", 400.0, 200.0, 100.0, 60.0, 60.0, 60.0))
    assert (far.verdict, far.says) == ("healthy", "healthy so far; the samples are not good yet")
    near = diagnosed(evaluated("healthy", 400.0, 200.0, 100.0, 58.0, 58.0, 58.0))
    assert near.says == "healthy so far"


def test_points_are_good_or_bad_by_their_evaluations():
    """128 points of the data may lie as far from other 128 as from noise."""
    for name, last in (("healthy", 60.0), ("plateau", 58.0)):
        run = evaluated(name, 100.0, 70.0, last)
        points = Evidence({**run.facts, "data": {"shape": [2]}}, run.history)
        assert points.is_good == (last < 59)
        assert points.is_bad == (last > 59)
        assert run.is_good == (name == "healthy"), "of images a probe says"


def test_an_average_that_evaluations_find_usable_is_not_stale():
    assert "stale-average" in named(evaluated("stale-average", 100.0, 80.0, 70.0))
    assert "stale-average" not in named(evaluated("stale-average", 100.0, 80.0, 50.0))


def test_more_time_at_rates_that_have_ended_is_advised_with_a_later_end():
    run = evidence(**CASES["still-improving"], settings={"d_optimizer.lr_end": "0"})
    for images, wanted in ((1_000_000, "--more 10m`"), (2_000_000, "horizon_images=4000000`")):
        facts = {**run.facts, "status": {"state": "finished", "images": images}}
        (found,) = (
            f for f in findings(Evidence(facts, run.history)) if f.name == "still-improving"
        )
        assert wanted in found.advice[0].why
