"""Stability of runs and methods against numbers worked out by hand."""

import json
import math
import random
import subprocess
import sys

import pytest

from steadygan.data import open_data
from steadygan.stability.curve import Levels, Point
from steadygan.stability.score import (
    NOT_EVALUATED,
    End,
    RunStability,
    of_run,
    run_stability,
    stability_score,
)
from steadygan.stability.signals import number
from steadygan.study.judge import Judge
from steadygan.study.plan import Evaluation

REAL, NOISE = 10.0, 410.0
LEVELS = Levels(REAL, NOISE, 0.5)
FLOOR = 1.5


def points(*distances, start=400.0):
    """Evaluations of the untrained generator, then one every 100 images and 2 seconds."""
    first = [] if start is None else [Point(0, 0.0, start)]
    return first + [Point(100 * n, 2.0 * n, d) for n, d in enumerate(distances, 1)]


def stable(*distances, history=(), start=400.0, levels=LEVELS, **end):
    return run_stability(points(*distances, start=start), history, levels, End(**end))


# ---- what the score is for ---------------------------------------------------------------------


def noise_floor(seed, count=20, real=0.0011, sd=0.0004, start=0.9):
    """Evaluations of a sampler as good as real data: the real level and its spread, no more."""
    draw = random.Random(seed)
    levels = Levels(real, 0.032, sd)
    return run_stability(points(*(abs(draw.gauss(real, sd)) for _ in range(count)), start=start),
                         (), levels)  # fmt: skip


def test_a_sampler_as_good_as_real_data_scores_one_at_the_noise_floor():
    runs = [noise_floor(seed) for seed in range(20)]
    assert all(run.survived for run in runs)
    score = stability_score(runs)
    assert score.score > 0.99
    assert score.repeatable > 0.95
    assert score.survived == 1.0


def test_real_draws_of_the_ring_score_one_by_the_measure_itself():
    judge = Judge(open_data("ring"), Evaluation(draft=300), lambda text: None)
    rings = open_data("ring").train.items.copy()
    found = judge.references
    assert found["real_draws"] == 10
    start = judge.from_real(rings[:300] * 0 + [3.0, 3.0])
    real = [judge.from_real(rings[300 * k : 300 * (k + 1)]) for k in range(20, 40)]
    levels = Levels(found["real"], found["noise"], found["real_sd"])
    run = run_stability(points(*real, start=start), (), levels)
    assert run.score > 0.97
    assert run.survived
    collapsed = [judge.from_real(rings[:300] * 0 + [1.0, 0.0])] * 20
    run = run_stability(points(*collapsed, start=start), (), levels)
    assert run.score < 0.3
    assert not run.survived


def test_a_generator_that_is_stuck_halfway_in_fid_has_learned_little():
    """400 to 200 is one halving of eight."""
    run = stable(*[200] * 20)
    assert run.steadiness == 1.0
    assert run.learned == pytest.approx(math.log(390 / 190) / math.log(390 / FLOOR))
    assert run.score == pytest.approx(0.129, abs=0.001)
    assert run.reason == "its last distance is 200, usable is 50 or less"


def test_an_untrained_generator_scores_nothing_and_does_not_survive():
    run = stable(*[400] * 20)
    assert (run.score, run.survived) == (0.0, False)


def test_a_generator_of_one_class_that_nobody_recognises_does_not_survive():
    history = [{"images": 100 * n, "seconds": n, "fid": 101.0 if n else 400.0} for n in range(21)]
    facts = finished(measures={"recognisable": {"shows_data": False, "share": 0.95,
                                                "classes_seen": 1}})  # fmt: skip
    run = of_run(facts, history)
    assert not run.survived
    assert run.score < 0.3
    near = [{**line, "fid": 20.0 if line["images"] else 400.0} for line in history]
    run = of_run(facts, near)
    assert not run.survived, "by its distance alone it would"
    assert run.reason == "its samples do not show the data (95% recognised, 1 classes seen)"
    shown = finished(measures={"recognisable": {"shows_data": True, "share": 0.95}})
    assert of_run(shown, near).survived
    assert of_run({**facts, "judged_step": 5}, near).survived, "the verdict is of another step"


def test_one_evaluation_has_no_score():
    run = stable(40)
    assert (run.score, run.steadiness, run.retention) == (None, None, None)
    assert run.unscored == "1 evaluation after the start, a score wants 5"
    score = stability_score([run, run, run])
    assert (score.score, score.scored, score.runs) == (None, 0, 3)
    assert score.unscored == ("1 evaluation after the start, a score wants 5",)
    assert stable(*[40] * 5).score == pytest.approx(stable(*[40] * 4, 40, 40).score)


def declining(share):
    """The excess of a run that learns to its end."""
    return 390 * math.exp(-3.2 * share)


def waving(share):
    """One that falls back around .8 of the run: 390, 37 at .4, 43 at .8, 26 at last."""
    return 3 + 390 * math.exp(-6 * share) + 40 * math.exp(-(((share - 0.8) / 0.25) ** 2))


@pytest.mark.parametrize("curve", [declining, waving])
def test_the_number_of_evaluations_does_not_move_the_score(curve):
    def scored(count, noise=0.0, seed=0):
        draw = random.Random(seed)
        shares = [k / count for k in range(count + 1)]
        found = [REAL + curve(share) * math.exp(draw.gauss(0, noise)) for share in shares]
        every = 40_000 // count
        return run_stability([Point(k * every, k, d) for k, d in enumerate(found)], (), LEVELS)

    few, some, many = (scored(count) for count in (5, 20, 400))
    assert some.score == pytest.approx(many.score, abs=1e-9)
    assert few.score == pytest.approx(many.score, abs=0.015), "less of the curve is known"
    assert 0.4 < many.score < 0.6
    noisy = [[scored(count, 0.05, seed).score for seed in range(20)] for count in (5, 20, 400)]
    means = [sum(scores) / 20 for scores in noisy]
    assert max(means) - min(means) < 0.03


@pytest.mark.parametrize("state", ["stopped", "running", None])
def test_a_run_that_did_not_finish_is_no_survivor_and_has_no_score(state):
    history = [{"images": 100 * n, "seconds": n, "fid": 400.0 - 39 * n} for n in range(11)]
    facts = finished(status={"state": state, "reason": "SIGTERM", "images": 1000})
    run = of_run(facts, history)
    assert (run.survived, run.score) == (False, None)
    assert run.reason == run.unscored == "not finished: SIGTERM"
    assert of_run(finished(), history).survived


# ---- one run -----------------------------------------------------------------------------------


def finished(**changes):
    return {"status": {"state": "finished"},
            "evaluation": {"real": REAL, "noise": NOISE, "real_sd": 0.5}, **changes}  # fmt: skip


def test_the_facts_of_all_evaluations_by_hand():
    """Excesses 190, 70, 90, 40, 80, 50."""
    run = stable(200, 80, 100, 50, 90, 60)
    assert (run.evaluations, run.best, run.last, run.excess) == (6, 50, 60, 50)
    assert run.last_over_best == 50 / 40
    assert run.worst_jump == 80 / 40, "90 after 70 is a smaller jump than 80 after 40"
    assert run.relapses == 1 / 6, "of the best before: 90 <= 1.5 x 70, 80 > 1.5 x 40, 50 is not"
    assert (run.usable_images, run.usable_seconds) == (400, 8.0)


def test_the_score_by_hand_where_the_grid_is_the_evaluations():
    distances = [d + REAL for d in (300, 200, 100, 40, 80, 40, 20, 20, 20, 40)]
    run = stable(*distances, start=310.0)
    assert run.retention == pytest.approx(20 / 40)
    assert run.smoothness == pytest.approx(1 / 2)
    assert run.no_relapse == pytest.approx(1 - 2 / 10), "80 after 40, and 40 after 20"
    assert run.steadiness == pytest.approx((0.5 * 0.5 * 0.8) ** (1 / 3))
    assert run.learned == pytest.approx(math.log(300 / 20) / math.log(300 / FLOOR))
    assert run.score == pytest.approx(run.learned * run.steadiness)


def test_what_is_not_known_has_no_score_and_its_reason():
    unknown = stable(*[40] * 10, levels=Levels())
    assert (unknown.score, unknown.learned) == (None, None)
    assert unknown.unscored == unknown.reason == "what real samples and noise get is not known"
    assert stable(*[5] * 10, start=10.0).unscored == "the start was no worse than real data"
    by_noise = math.log((NOISE - REAL) / 30) / math.log((NOISE - REAL) / FLOOR)
    assert stable(*[40] * 10, start=None).learned == pytest.approx(by_noise)
    assert stable(*[40] * 10, start=math.nan).learned == pytest.approx(by_noise)


def test_a_run_that_ends_over_one_and_a_half_times_its_best_does_not_survive():
    assert stable(30, 40).survived, "1.5 times the excess is the limit"
    run = stable(30, 40.02)
    assert not run.survived
    assert run.reason == "the last evaluation is 1.50 times the best"
    assert "2.00 times" in stable(20, 30).reason
    assert stable(9.0, 11.5).survived, "both are within the noise of real data"


def test_a_run_whose_last_samples_are_not_usable_does_not_survive():
    """Usable is 410 - 0.9 x 400 = 50 or less."""
    assert stable(50).survived
    assert stable(51).reason == "its last distance is 51, usable is 50 or less"


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_last_evaluation_that_is_not_finite_does_not_survive(bad):
    run = stable(40, 40, 40, 40, bad)
    assert run.reason == "the last evaluation is not finite"
    assert (run.best, run.relapses, run.worst_jump) == (40, 0.2, math.inf)
    assert (run.retention, run.score) == (0.0, 0.0)
    facts = json.loads(json.dumps(run.facts(), allow_nan=False))
    assert (facts["last"], facts["last_over_best"], facts["best"]) == (None, None, 40)


def test_an_evaluation_on_the_way_that_is_not_finite_is_a_relapse_and_no_end():
    run = stable(50, math.nan, 40)
    assert run.survived
    assert (run.relapses, run.worst_jump, run.last_over_best) == (1 / 3, math.inf, 1.0)


def test_a_failed_run_keeps_its_reason_and_scores_nothing_whatever_it_had_reached():
    run = stable(*[40] * 10, failed="NaN or Inf in G")
    assert (run.survived, run.reason, run.best) == (False, "NaN or Inf in G", 40)
    assert (run.score, run.steadiness, run.unscored) == (0.0, 0.0, "")
    assert run.learned == pytest.approx(math.log(390 / 30) / math.log(390 / FLOOR))
    run = of_run(finished(status={"state": "failed"}), [])
    assert (run.reason, run.score) == ("failed", 0.0)


def test_a_run_that_went_on_without_evaluations_has_no_score():
    assert stable(*[40] * 10, images=1200).score is not None
    assert "no evaluation in 50%" in stable(*[40] * 10, images=2000).unscored


def test_without_an_evaluation_nothing_is_said_of_quality():
    run = stable(history=[{"g_gradient_norm": 2.0}])
    assert run == RunStability(0, g_gradient_norm=2.0, starved=0.0, unscored=NOT_EVALUATED,
                               reason=NOT_EVALUATED)  # fmt: skip
    assert stable(failed="NaN").reason == "NaN"


def test_d_is_saturated_where_it_is_sure_of_real_and_fake():
    history = [
        {"d_accuracy_real": 0.99, "d_accuracy_fake": 1.0},
        {"d_accuracy_real": 1.0, "d_accuracy_fake": 0.98},
        {"d_real_probability": 0.995, "d_fake_probability": 0.01},
        {"d_real_probability": 0.995, "d_fake_probability": 0.02},
        {"d_accuracy_real": 0.5, "d_accuracy_fake": 0.5,
         "d_real_probability": 0.999, "d_fake_probability": 0.001},
        {"d_loss": 0.1},
    ]  # fmt: skip
    assert stable(40, history=history).saturated == 3 / 5, "the last line says nothing"
    assert stable(40, history=[{"d_loss": 0.1}]).saturated is None, "a critic has no accuracy"


def test_g_starves_where_its_gradient_vanishes_or_explodes():
    norms = [1e-7, 1e-6, 0.5, 100.0, 101.0, None, math.nan, True]
    run = stable(40, history=[{"g_gradient_norm": n} for n in norms])
    assert run.starved == 2 / 5
    assert run.g_gradient_norm == 0.5
    assert stable(40, history=[{}]).starved is None


# ---- a method over seeds -----------------------------------------------------------------------


def run(**changes):
    """A run without a fault."""
    parts = dict.fromkeys(("retention", "no_relapse", "smoothness", "steadiness"), 1.0)
    perfect = {"evaluations": 10, "excess": 40.0, "learned": 1.0, "score": 1.0, "survived": True}
    return RunStability(**{**perfect, **parts, **changes})


def test_a_method_is_the_mean_of_its_scored_runs():
    one = run(learned=0.5, steadiness=0.4, score=0.2, survived=False, reason="x", excess=60.0)
    stopped = run(score=None, survived=False, unscored="not finished", reason="not finished")
    score = stability_score([one, run(), stopped])
    assert score.score == pytest.approx((0.2 + 1) / 2)
    assert (score.learned, score.steadiness) == (0.75, 0.7)
    assert (score.scored, score.runs, score.by_run) == (2, 3, (0.2, 1.0))
    assert score.survived == pytest.approx(1 / 3), "a stopped run is none"
    deviation = math.sqrt((10**2 + 10**2) / 1)
    assert score.repeatable == pytest.approx(1 / (1 + deviation / 50))
    assert score.unscored == ("not finished",)
    json.dumps(score.facts(), allow_nan=False)


def test_a_failed_seed_counts_as_zero():
    failed = run_stability([], end=End(failed="NaN"))
    assert stability_score([failed]).score == 0.0
    assert stability_score([failed, run()]).score == 0.5
    assert stability_score([run()]).repeatable is None


def test_a_run_that_was_never_evaluated_is_no_verdict():
    unknown = run_stability([])
    assert stability_score([unknown]).score is None
    mixed = stability_score([unknown, run(score=0.5)])
    assert (mixed.runs, mixed.survived, mixed.score) == (1, 1.0, 0.5)


def test_no_runs_at_all_are_refused():
    with pytest.raises(ValueError, match="at least one run"):
        stability_score([])


def test_stability_brings_no_torch_with_it():
    code = "import sys, steadygan.stability.score; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


@pytest.mark.parametrize(
    ("value", "finite"),
    [(3, 3.0), (-0.5, -0.5), (10**400, None), (math.inf, None), (math.nan, None), (True, None),
     ("3", None), (None, None)],
)  # fmt: skip
def test_a_number_of_json_is_a_finite_float_or_none(value, finite):
    assert number(value) == finite
