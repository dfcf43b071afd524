"""Which method for which data: the rules, and the two commands that follow them."""

import dataclasses
import math

import numpy as np
import pytest

from steadygan.data import Split
from steadygan.errors import UserError
from steadygan.methods import find
from steadygan.study.compose import compose
from steadygan.study.recommend import (
    HELPERS,
    METHODS,
    Facts,
    choose,
    choose_for,
    facts_of,
    warnings,
)
from steadygan.study.request import read_request
from steadygan.training import horizon
from steadygan.training.goals import Goal
from tests.reliability import games

SMALL = "dcgan preset=small horizon=budget --add spectral-norm"
#: Data, and what is recommended where the time is long enough for each rule that asks.
CASES = {
    "points": (Facts(5000, 0, 0, 0), "gan"),
    "digits with classes": (Facts(9000, 10, 28, 1), "cgan preset=light"),
    "a folder": (Facts(8000, 0, 64, 3), SMALL),
    "a small folder": (Facts(1300, 0, 64, 3), "dcgan preset=light --add diffaugment"),
    "a small grey folder": (Facts(1300, 0, 64, 1), "dcgan preset=light --add diffaugment"),
    "few a class": (Facts(900, 10, 32, 3), "dcgan preset=tiny --add diffaugment"),
    "few a class of larger ones": (Facts(900, 10, 64, 3), "dcgan preset=light --add diffaugment"),
    "characters": (Facts(30_000, 3740, 28, 1), "multiclass-lsgan preset=light"),
    "fifty small ones": (Facts(54, 0, 28, 3), "dcgan preset=tiny batch=16 --add diffaugment"),
    "fifty larger ones": (Facts(54, 0, 64, 3), f"{SMALL} --add diffaugment"),
    "one class": (Facts(6000, 1, 28, 1), "dcgan preset=tiny"),
}


def colour():
    """A small data set of 64 px in colour."""
    grey = games.images(200, labels=False)
    items = grey.train.items.repeat(3, 1).repeat(4, 2).repeat(4, 3)
    return dataclasses.replace(grey, shape=(3, 64, 64), train=Split(items, grey.train.labels))


def endless(choice):
    """How many images D sees in such a time."""
    return math.inf


@pytest.mark.parametrize("name", CASES)
def test_the_rules_choose(name):
    facts, words = CASES[name]
    choice = choose(facts, endless)
    assert " ".join(choice.words()) == words
    assert len(choice.why) == 1 + ("diffaugment" in words)
    shape = (2,) if facts.vectors else (facts.channels, facts.side, facts.side)
    recipe = compose(find(choice.method), shape, choice.keys({}), choice.parts)
    assert recipe.batch <= facts.count
    assert {part.name for part in recipe.parts()} >= set(choice.parts)


def test_a_method_that_wants_many_images_is_passed_over_in_a_short_time(monkeypatch):
    facts, words = CASES["a small folder"]
    (least,) = (rule.least for rule in METHODS if rule.least)
    choice = choose(facts, lambda choice: least)
    assert (" ".join(choice.words()), choice.seen) == (words, least)
    assert choose(CASES["a folder"][0], lambda choice: least).seen is None
    for seen in (0, least - 1):
        choice = choose(facts, lambda choice, seen=seen: seen)
        assert " ".join(choice.words()) == f"{SMALL} --add diffaugment"
        assert choice.seen is None
        assert choice.why[-1] == (
            f"dcgan preset=light: nearer than small batches from {least:,} images on, which are "
            f"{seen:,} here"
        )


def test_only_the_rule_whose_time_decides_is_measured():
    asked = []
    for facts, _ in CASES.values():
        choose(facts, lambda choice: asked.append(choice.words()) or math.inf)
    assert set(asked) == {("dcgan", "preset=light", "--add", "diffaugment")}


def test_the_images_of_a_goal_are_those_of_its_steps_or_of_the_measured_speed(monkeypatch):
    data = colour()
    (least,) = (rule.least for rule in METHODS if rule.least)

    def preset(goal, *request):
        return choose_for(data, goal, *request).keys({})["preset"]

    enough = math.ceil(least / 64)
    assert preset(Goal(steps=enough)) == "light"
    assert preset(Goal(steps=enough - 1)) == "small"
    assert preset(Goal(steps=enough - 1), read_request(["batch=128"])) == "light"
    monkeypatch.setattr(horizon, "images_a_second", lambda *given: least / 60)
    assert preset(Goal(budget_seconds=60.0)) == "light"
    assert preset(Goal(budget_seconds=59.0)) == "small"


def test_settings_that_the_method_has_not_are_named():
    with pytest.raises(UserError, match="codes"):
        choose_for(colour(), Goal(steps=10**6), read_request(["codes=5"]))


def test_a_setting_of_ones_own_takes_the_place_of_the_recommended_one():
    choice, own = choose(CASES["a folder"][0], endless), {"preset": "paper", "width": "8"}
    assert choice.words({**own, "horizon": "recipe"}) == ("dcgan", "--add", "spectral-norm")
    assert choice.keys(own) == own
    assert choice.keys({"width": "8"}) == {"preset": "small", "width": "8"}
    assert choice.fits_horizon
    assert not choose(CASES["digits with classes"][0], endless).fits_horizon


def test_every_rule_is_chosen_by_some_case():
    choices = [choose(facts, endless) for facts, _ in CASES.values()]
    assert {(c.method, *c.settings) for c in choices} == {rule.words for rule in METHODS}
    helped = {part for facts, _ in CASES.values() for part in choose(facts, endless).parts}
    assert helped == {rule.words[0] for rule in HELPERS} | {"spectral-norm"}


def test_too_few_images_are_refused_and_few_are_warned_of():
    with pytest.raises(UserError, match=r"20 training images .* are too few .* 50 is the least"):
        choose(Facts(20, 0, 64, 3), endless)
    assert list(warnings(Facts(5000, 0, 64, 3))) == []
    (said,) = warnings(Facts(100, 0, 64, 3))
    assert "expect copies" in said
    (said,) = warnings(Facts(5000, 0, 64, 3, repeated=0.4))
    assert "40% of the images repeat" in said


def test_the_facts_are_those_of_the_data():
    data = games.images(200)
    assert facts_of(data) == Facts(200, 2, 16, 1)
    items = np.array(data.train.items)
    items[100:] = items[:100]
    twice = facts_of(dataclasses.replace(data, train=Split(items, data.train.labels)))
    assert twice.repeated == 1.0
    assert str(twice).endswith("2 classes, 100% repeats")
