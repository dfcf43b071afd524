"""Stability of runs and methods against numbers worked out by hand."""

import json
import math
import subprocess
import sys

import pytest

from steadygan.measures.stability import (
    NOT_EVALUATED,
    Point,
    RunStability,
    first_usable,
    of_run,
    points_of,
    run_stability,
    stability_score,
)

REAL, NOISE = 10.0, 410.0


def points(*distances, start=400.0):
    """Evaluations of the untrained generator, then one every 100 images and 2 seconds."""
    first = [] if start is None else [Point(0, 0.0, start)]
    return first + [Point(100 * n, 2.0 * n, d) for n, d in enumerate(distances, 1)]


def stable(*distances, history=(), failed="", start=400.0):
    return run_stability(points(*distances, start=start), history, REAL, NOISE, failed)


# ---- one run -----------------------------------------------------------------------------------


def test_the_parts_of_a_run_by_hand():
    run = stable(200, 80, 100, 50, 90, 60)
    assert (run.evaluations, run.best, run.last) == (6, 50, 60)
    assert run.last_over_best == 1.2
    assert run.worst_jump == 90 / 50, "100 after 80 is a smaller jump than 90 after 50"
    assert run.relapses == 1 / 6, "of the best before: 100 <= 1.5 x 80, 90 > 1.5 x 50, 60 is not"
    assert (run.survived, run.reason) == (True, "")


def test_a_relapse_is_over_one_and_a_half_times_the_best_before_it_and_not_the_last():
    assert stable(40, 60).relapses == 0.0, "1.5 times is the limit"
    assert stable(40, 100, 90, 60).relapses == 2 / 4, "90 is over 1.5 x 40, not over 1.5 x 100"


def test_a_jump_is_between_neighbours_of_a_run_the_last_one_too():
    assert stable(50, 40, 80).worst_jump == 2.0
    assert stable(80, 40, 50).worst_jump == 1.25
    assert stable(30, 30, start=10.0).worst_jump == 1.0, "the untrained generator is none of them"


def test_usable_is_nine_tenths_of_the_way_from_noise_to_real():
    """410 - 0.9 x 400 = 50: at 50 and not a hair above."""
    found = first_usable(points(200, 50.001, 50, 20), REAL, NOISE)
    assert (found.images, found.seconds) == (300, 6.0)
    run = stable(200, 50.001, 50, 20)
    assert (run.usable_images, run.usable_seconds) == (300, 6.0)
    assert stable(200, 51).usable_images is None
    assert stable(60, 40, start=45.0).usable_images == 200, "the untrained generator is not asked"


def test_learned_is_how_far_from_the_start_to_real_the_best_samples_got():
    assert stable(205, 300).learned == (400 - 205) / (400 - REAL)
    assert stable(5).learned == 1.0, "nearer than real data are to themselves"
    assert stable(500).learned == 0.0
    assert stable(math.inf).learned == 0.0
    assert stable(210, start=None).learned == (NOISE - 210) / (NOISE - REAL)
    for start in (9.0, REAL):
        assert stable(5, start=start).learned is None, "the start was no worse than real data"
    assert run_stability(points(40), [], math.nan, math.nan).learned is None


def test_a_run_that_ends_over_one_and_a_half_times_its_best_does_not_survive():
    assert stable(40, 60).survived, "1.5 times is the limit"
    run = stable(40, 60.1)
    assert not run.survived
    assert run.reason == "the last evaluation is 1.50 times the best"
    assert "3.00 times" in stable(40, 120).reason


def test_a_run_that_is_no_better_than_its_start_does_not_survive():
    assert stable(399).survived
    assert stable(400).reason == "the last evaluation is no better than the start"
    assert not stable(405, start=None).reason, "without a start it is compared to noise, 410"
    assert "start" in stable(410, start=None).reason


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_last_evaluation_that_is_not_finite_does_not_survive(bad):
    run = stable(40, bad)
    assert run.reason == "the last evaluation is not finite"
    assert (run.best, run.relapses, run.worst_jump) == (40, 0.5, math.inf)
    facts = json.loads(json.dumps(run.facts(), allow_nan=False))
    assert (facts["last"], facts["last_over_best"], facts["best"]) == (None, None, 40)


def test_an_evaluation_on_the_way_that_is_not_finite_is_a_relapse_and_no_end():
    run = stable(60, math.nan, 40)
    assert run.survived
    assert (run.relapses, run.worst_jump, run.last_over_best) == (1 / 3, math.inf, 1.0)
    early = stable(math.inf, math.nan, 40)
    assert (early.relapses, early.worst_jump) == (2 / 3, math.inf)


def test_a_failed_run_keeps_its_reason_whatever_it_had_reached():
    run = stable(60, 40, failed="NaN or Inf in G")
    assert (run.survived, run.reason, run.best) == (False, "NaN or Inf in G", 40)


def test_a_run_is_read_from_its_facts_and_its_history():
    history = [
        {"images": 0, "seconds": 0.0, "fid": 400.0, "energy_distance": 1.0},
        {"images": 50, "seconds": 1.0, "g_gradient_norm": 2.0},
        {"images": 100, "seconds": 2.0, "fid": None},
        {"images": 200, "seconds": 4.0, "fid": 40.0},
        {"images": 300, "seconds": 6.0, "energy_distance": 45.0},
    ]
    found = [Point(0, 0.0, 400.0), Point(100, 2.0, math.inf), Point(200, 4.0, 40.0),
             Point(300, 6.0, 45.0)]  # fmt: skip
    assert points_of(history) == found
    facts = {"status": {"state": "finished"}, "evaluation": {"real": REAL, "noise": NOISE}}
    run = of_run(facts, history)
    assert run == run_stability(found, history, REAL, NOISE)
    assert (run.usable_images, run.relapses, run.g_gradient_norm) == (200, 1 / 3, 2.0)
    assert of_run({"evaluation": {"real": None}}, history).usable_images is None


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ({"state": "failed", "reason": "NaN in D"}, "NaN in D"),
        ({"state": "failed"}, "failed"),
        ({"state": "stopped", "reason": "stopped by SIGTERM"}, ""),
        ({"state": "running"}, ""),
    ],
)
def test_only_a_run_that_failed_has_its_reason_held_against_it(status, reason):
    history = [{"images": n, "seconds": n, "fid": 400.0 - n} for n in (0, 100, 200)]
    run = of_run({"status": status, "evaluation": {"real": REAL, "noise": NOISE}}, history)
    assert (run.reason, run.survived) == (reason, not reason)


def test_without_an_evaluation_nothing_is_said_of_quality():
    run = stable(history=[{"g_gradient_norm": 2.0}])
    assert run == RunStability(0, g_gradient_norm=2.0, starved=0.0, reason=NOT_EVALUATED)
    assert stable(failed="NaN").reason == "NaN"


def test_one_evaluation_cannot_show_a_jump_or_a_relapse():
    run = stable(40)
    assert (run.last_over_best, run.worst_jump, run.relapses) == (None, None, None)
    assert run.survived


def test_a_distance_of_zero_or_below_divides_nothing_by_zero():
    """An unbiased estimate such as KID may fall below 0."""
    assert stable(0.0, 0.0).survived
    assert stable(-0.001, -0.002).last_over_best == 1.0
    assert not stable(0.0, 40).survived


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


def run(last=40.0, **changes):
    """A run without a fault."""
    perfect = {"evaluations": 5, "best": last, "last": last, "last_over_best": 1.0,
               "worst_jump": 0.9, "relapses": 0.0, "survived": True}  # fmt: skip
    return RunStability(**{**perfect, **changes})


def test_a_method_without_a_fault_scores_one():
    score = stability_score([run(), run()])
    assert (score.score, score.seeds) == (1.0, 2)
    assert (score.kept, score.calm, score.smooth, score.repeatable) == (1, 1, 1, 1)
    assert score.alive is None, "nothing was logged that tells"


def test_each_part_by_hand_and_their_geometric_mean():
    one = run(40.0, last_over_best=2.0, survived=False, relapses=0.5, worst_jump=4.0,
              saturated=0.2, starved=0.5, learned=0.25)  # fmt: skip
    two = run(60.0, saturated=0.0, learned=0.75)
    score = stability_score([one, two])
    assert score.survived == 0.5
    assert score.kept == (0.5 + 1) / 2
    assert score.calm == (0.5 + 1) / 2
    assert score.smooth == (0.25 + 1) / 2
    assert score.alive == pytest.approx((0.8 * 0.5 + 1) / 2)
    deviation = math.sqrt(((40 - 50) ** 2 + (60 - 50) ** 2) / 1)
    assert score.repeatable == pytest.approx(1 / (1 + deviation / 50))
    assert score.learned == pytest.approx((0.25 + 0.75) / 2)
    product = 0.5 * 0.5 * 0.75 * 0.75 * 0.625 * 0.7 * score.repeatable
    assert score.score == pytest.approx(product ** (1 / 7))


def test_parts_that_are_not_known_are_left_out_of_the_mean():
    score = stability_score([run(last_over_best=2.0)])
    assert (score.learned, score.alive, score.repeatable) == (None, None, None)
    assert score.score == pytest.approx(0.5 ** (1 / 4)), "survived, kept, calm, smooth"


def test_the_score_is_zero_where_no_seed_survives():
    assert stability_score([run(survived=False), run(survived=False)]).score == 0.0
    failed = run_stability([], [], REAL, NOISE, failed="NaN")
    score = stability_score([failed])
    assert (score.score, score.kept, score.seeds) == (0.0, None, 1)


def test_a_run_that_was_never_evaluated_is_no_verdict():
    unknown = run_stability([], [], REAL, NOISE)
    assert stability_score([unknown]).score is None
    mixed = stability_score([unknown, run(last_over_best=2.0)])
    assert (mixed.seeds, mixed.survived, mixed.kept) == (1, 1.0, 0.5)


def test_an_infinite_jump_or_end_makes_the_part_zero_not_an_error():
    bad = run(math.inf, last_over_best=math.inf, worst_jump=math.inf, survived=False)
    score = stability_score([bad, run(40.0), run(40.0)])
    assert (score.kept, score.smooth) == (2 / 3, 2 / 3)
    assert score.repeatable == 1.0, "over the ends that are finite"
    assert 0 < score.score < 1


@pytest.mark.parametrize("last", [0.0, -0.001])
def test_ends_at_zero_or_below_have_no_spread_over_their_mean(last):
    """An unbiased estimate such as KID may fall there."""
    score = stability_score([run(last), run(last)])
    assert (score.repeatable, score.score) == (None, 1.0)


def test_no_runs_at_all_are_refused():
    with pytest.raises(ValueError, match="at least one run"):
        stability_score([])


def test_stability_brings_no_torch_with_it():
    code = "import sys, steadygan.measures.stability; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
