"""The runs whose signals are shipped: rules are right about them as often as the docs say."""

from pathlib import Path

import pytest

from benchmarks.diagnosis import kinds, make
from benchmarks.diagnosis import score as scoring

FOLDER = Path(kinds.__file__).parent


@pytest.mark.parametrize(("name", "least"), [("known", 0.95), ("held", 0.85)])
def test_causes_are_right_as_often_as_the_docs_say(name, least):
    lines = list(scoring.runs_of(FOLDER / f"{name}.jsonl.gz"))
    bad = [line for line in lines if scoring.truth(line) == "bad"]
    right = [
        line
        for line in bad
        if scoring.named(line) in kinds.BY_NAME[line["kind"]].causes
        or (line["kind"].startswith("healthy") and not kinds.BY_NAME[line["kind"]].causes)
    ]
    assert len(bad) >= 45
    assert len(right) / len(bad) >= least
    good = [line for line in lines if scoring.truth(line) == "good"]
    alarms = [line for line in good if scoring.answer(line).is_fault]
    assert all(scoring.named(line) in kinds.BY_NAME[line["kind"]].causes for line in alarms)
    assert len(alarms) <= 2


def test_what_is_held_out_is_in_no_known_run():
    known, held = (set(make.jobs(part)) for part in ("known", "held"))
    assert not known & held
    for kind, method, data, seed in known:
        assert kind not in kinds.HELD_KINDS
        assert method not in kinds.HELD_METHODS
        assert data != kinds.HELD_DATA
        assert seed not in kinds.HELD_SEEDS
    for name, jobs in (("known", known), ("held", held)):
        trained = {
            (x["kind"], x["method"], x["data"], x["seed"])
            for x in scoring.runs_of(FOLDER / f"{name}.jsonl.gz")
        }
        assert trained <= jobs


def test_bounds_are_those_of_clopper_and_pearson():
    # 196 of 200: 95 % one-sided lower bound .9550; 0 of 149: upper bound .0199
    assert "at least 95%" in scoring.bounds(196, 200)
    assert "at most 2%" in scoring.bounds(0, 149)
