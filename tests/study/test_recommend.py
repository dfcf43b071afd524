"""Which method for which data: the rules, and the two commands that follow them."""

import dataclasses

import numpy as np
import pytest

from steadygan.data import Split
from steadygan.errors import UserError
from steadygan.methods import find
from steadygan.study.compose import compose
from steadygan.study.recommend import HELPERS, METHODS, Facts, choose, facts_of, warnings
from tests.reliability import games

SMALL = "dcgan preset=small horizon=budget --add spectral-norm"
CASES = {
    "points": (Facts(5000, 0, 0, 0), "gan"),
    "digits with classes": (Facts(9000, 10, 28, 1), "cgan preset=light"),
    "a folder": (Facts(8000, 0, 64, 3), SMALL),
    "a small folder": (
        Facts(1300, 0, 64, 3),
        f"{SMALL} --add diffaugment",
    ),
    "few a class": (Facts(900, 10, 32, 3), "dcgan preset=tiny --add diffaugment"),
    "few a class of larger ones": (Facts(900, 10, 64, 3), f"{SMALL} --add diffaugment"),
    "characters": (Facts(30_000, 3740, 28, 1), "multiclass-lsgan preset=light"),
    "fifty small ones": (Facts(54, 0, 28, 3), "dcgan preset=tiny batch=16 --add diffaugment"),
    "one class": (Facts(6000, 1, 28, 1), "dcgan preset=tiny"),
}


@pytest.mark.parametrize("name", CASES)
def test_the_rules_choose(name):
    facts, words = CASES[name]
    choice = choose(facts)
    assert " ".join(choice.words()) == words
    assert len(choice.why) == 1 + ("diffaugment" in words)
    shape = (2,) if facts.vectors else (facts.channels, facts.side, facts.side)
    recipe = compose(find(choice.method), shape, choice.keys({}), choice.parts)
    assert recipe.batch <= facts.count
    assert {part.name for part in recipe.parts()} >= set(choice.parts)


def test_a_setting_of_ones_own_takes_the_place_of_the_recommended_one():
    choice, own = choose(CASES["a folder"][0]), {"preset": "paper", "width": "8"}
    assert choice.words({**own, "horizon": "recipe"}) == ("dcgan", "--add", "spectral-norm")
    assert choice.keys(own) == own
    assert choice.keys({"width": "8"}) == {"preset": "small", "width": "8"}
    assert choice.fits_horizon
    assert not choose(CASES["digits with classes"][0]).fits_horizon


def test_every_rule_is_chosen_by_some_case():
    chosen = {choose(facts).method for facts, _ in CASES.values()}
    assert chosen == {rule.words[0] for rule in METHODS}
    helped = {part for facts, _ in CASES.values() for part in choose(facts).parts}
    assert helped == {rule.words[0] for rule in HELPERS} | {"spectral-norm"}


def test_too_few_images_are_refused_and_few_are_warned_of():
    with pytest.raises(UserError, match=r"20 training images .* are too few .* 50 is the least"):
        choose(Facts(20, 0, 64, 3))
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
