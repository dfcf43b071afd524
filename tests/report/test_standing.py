"""The first lines of a single run: what is good, what is not, what more time would give."""

import copy
import math

import pytest

from steadygan.report.read import Run, Study
from steadygan.report.standing import standing

REAL = {"precision": 0.7, "recall": 0.75, "coverage": 0.9}
GOOD = {
    "fid": 20.0, "precision": 0.68, "recall": 0.7, "coverage": 0.85, "sharpness": 98.0,
    "sharpness_real": 100.0, "real_against_real": REAL, "memorisation": {"copied": 0.02},
}  # fmt: skip


def run(last=GOOD, distances=(), best=None, step=1000, **changes):
    """A run whose evaluations lie at equal shares of 100,000 images, 500 s."""
    history = [
        {
            "step": step * n // len(distances),
            "images": 100_000 * n / len(distances),
            "fid": far,
            "seconds": 50.0 * n,
        }
        for n, far in enumerate(distances, 1)
    ]
    info = {
        "measures": {"quality": {"last": last, **({"best": best} if best else {})}},
        "status": {"step": step, "images": 100_000, "seconds": 500.0},
        "evaluation": {"real": 5.0, "real_sd": 0.1, "noise": 400.0},
        "best": {"step": changes.pop("best_step", step)},
        **changes,
    }  # fmt: skip
    return Study(None, {}, [Run(None, info, history)])


def lines(*given, **more):
    return {line.mark: line.said for line in standing(run(*given, **more))}


def with_(**changes):
    return {**copy.deepcopy(GOOD), **changes}


def test_what_is_near_real_images_is_good_and_every_number_is_beside_theirs():
    found = lines()
    assert set(found) == {"good"}
    assert "precision 0.68 (real images 0.70)" in found["good"]
    assert "recall 0.70 (real images 0.75)" in found["good"]
    assert "as sharp as real images (98 %)" in found["good"]
    assert "no copies of training images" in found["good"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"recall": 0.1}, "variety: recall 0.10 (real images 0.75)"),
        ({"sharpness": 60.0}, "softer than real images (60 %)"),
        ({"sharpness": 150.0}, "rougher than real images (150 %)"),
        ({"memorisation": {"copied": 0.6}}, "copies of training images (60 % more"),
    ],
)
def test_what_is_far_from_them_is_not(changes, said):
    found = lines(with_(**changes))
    assert said in found["not good"]
    assert said not in found["good"]


def test_what_is_neither_is_not_said():
    found = lines(with_(recall=0.5, memorisation={"copied": 0.2}))
    assert "recall" not in "".join(found.values())
    assert "copies" not in "".join(found.values())


@pytest.mark.parametrize("of", ["untrained", "collapsed"])
def test_an_untrained_and_a_collapsed_generator_are_praised_for_nothing_but_sharpness(of):
    """A collapsed one may have a precision of 1: with a recall of 0 it says nothing."""
    precision = {"untrained": 0.0, "collapsed": 1.0}[of]
    last = with_(precision=precision, recall=0.0, coverage=0.01, memorisation={"copied": None})
    found = lines(last)
    assert "precision 1" not in "".join(found.values())
    assert "recall 0.00" in found["not good"]
    assert found["good"] == "as sharp as real images (98 %)."


def test_a_falling_distance_is_told_with_what_as_long_again_gives():
    falls = [5 + 400 / n for n in range(1, 11)]  # half the excess a doubling
    said = lines(distances=falls)["more time"]
    assert "falls by 50 % a doubling" in said
    assert "8 min 20 s at 200 images/s" in said
    assert "from 45 to about 25 (real images 5)" in said


def test_a_flat_distance_is_told_and_few_evaluations_say_nothing():
    assert "no longer fell" in lines(distances=[40.0] * 10)["more time"]
    assert "more time" not in lines(distances=[50.0, 40.0, 30.0])
    assert "more time" not in lines(distances=[math.nan] * 10)


def test_what_more_time_gives_is_not_told_where_rates_have_ended_or_evaluations_go_up_and_down():
    falls = [5 + 400 / n for n in range(1, 11)]
    recipe = {"horizon_images": 100_000, "g_optimizer": {"lr_end": 0.0}}
    said = lines(distances=falls, recipe=recipe)["more time"]
    assert "learning rates have ended at 0" in said
    assert "horizon_images=200000" in said
    assert "doubling" not in said
    longer = {**recipe, "horizon_images": 200_000}
    assert "doubling" in lines(distances=falls, recipe=longer)["more time"]
    swings = [300, 200, 150, 130, 150, 60, 110, 85, 100, 90]
    assert "up and down" in lines(distances=swings)["more time"]


def test_a_relapse_is_told_before_more_time_is():
    """By the rule of `steadygan sample`: 1.5 times as far above real samples, or more."""
    fell = [300, 200, 100, 60, 25, 25, 50, 60, 60, 65]
    found = lines(distances=fell, best_step=500)
    assert "3.0 times as far from real images as those of step 500" in found["more time"]
    assert "doubling" not in found["more time"]
    nearly = [300, 200, 100, 60, 42, 41, 41, 41, 41, 41]
    assert "as far" not in lines(distances=nearly, best_step=600)["more time"]


def test_a_study_and_a_run_that_was_not_measured_have_none():
    study = run()
    assert standing(Study(None, {"methods": {"gan": {}}}, study.runs)) == []
    assert standing(Study(None, {}, [Run(None, {"status": {}}, [])])) == []
