"""The runs whose signals are shipped: rules are right about them as often as the docs say."""

from pathlib import Path

import pytest

from benchmarks.diagnosis import kinds, make
from benchmarks.diagnosis import score as scoring

FOLDER = Path(kinds.__file__).parent


@pytest.mark.parametrize(
    ("name", "bad_runs", "least"),
    [("known", 90, 0.95), ("held", 57, 0.85), ("held-2", 45, 0.85), ("good", 29, 0.95)],
)
def test_causes_are_right_as_often_as_the_docs_say(name, bad_runs, least):
    lines = list(scoring.runs_of(FOLDER / f"{name}.jsonl.gz"))
    bad = [line for line in lines if scoring.truth(line) == "bad"]
    right = [line for line in bad
             if scoring.is_right(kinds.BY_NAME[line["kind"]], scoring.named(line))]  # fmt: skip
    assert len(bad) == bad_runs
    assert len(right) / len(bad) >= least


def test_no_good_run_is_told_a_fault_but_what_was_done_to_it():
    lines = [line for path in FOLDER.glob("*.jsonl.gz") for line in scoring.runs_of(path)]
    good = [line for line in lines if scoring.truth(line) == "good"]
    assert len(good) >= 150
    alarms = [line for line in good if scoring.answer(line).is_fault]
    others = [line["method"] for line in alarms
              if scoring.named(line) not in kinds.BY_NAME[line["kind"]].causes]  # fmt: skip
    assert others == ["fastgan"]  # bad without a cause, at .42 recognised: docs/diagnosis.md
    assert len(alarms) <= 0.02 * len(good)


def test_what_is_held_out_is_in_no_known_run():
    known, held = (set(make.jobs(part)) for part in ("known", "held"))
    assert not known & held
    for kind, method, data, seed in known:
        assert kind not in kinds.HELD_KINDS
        assert method not in kinds.HELD_METHODS
        assert data != kinds.HELD_DATA
        assert seed not in kinds.HELD_SEEDS
    for name, jobs in (("known", known), ("held", held), ("held-2", held)):
        trained = {
            (x["kind"], x["method"], x["data"], x["seed"])
            for x in scoring.runs_of(FOLDER / f"{name}.jsonl.gz")
        }
        assert trained <= jobs


def test_bounds_are_those_of_clopper_and_pearson():
    # 196 of 200: 95 % one-sided lower bound .9550; 0 of 149: upper bound .0199
    assert "at least 95%" in scoring.bounds(196, 200)
    assert "at most 2%" in scoring.bounds(0, 149)
