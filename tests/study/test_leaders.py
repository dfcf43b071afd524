"""Who leads a study: the differences must hold, and the runs must show their data."""

import json

import pytest

from steadygan.study.leaders import SCORE, differences, leaders, said_of_leaders
from steadygan.study.results import read_results
from steadygan.study.table import write_tables
from tests.study.test_table import written

SIX = range(6)
AHEAD = {"dcgan": [40.0 + seed for seed in SIX], "wgan": [60.0 + seed for seed in SIX],
         "began": [80.0 + 2 * seed for seed in SIX]}  # fmt: skip


def study(out, fids=AHEAD, shows=(), **status):
    """A study of finished runs; the verdicts of `shows`, by run, are put into their run.json."""
    written(out, fids)
    for run, verdict in dict(shows).items():
        path = out / "runs" / run / "run.json"
        facts = json.loads(path.read_text())
        facts["measures"]["recognisable"] = {"shows_data": verdict, "share": 0.07}
        facts["status"] |= status
        path.write_text(json.dumps(facts))
    return read_results(out)


def leader_in(results, key="fid"):
    return leaders(results, {key: differences(results, key)})[key]


def test_a_method_that_holds_against_every_other_leads(tmp_path):
    first = leader_in(study(tmp_path))
    assert first.facts() == {"name": "dcgan", "shows_data": True}
    assert said_of_leaders({"fid": "FID"}, {"fid": first}) == (
        "FID: dcgan is better than every other method."
    )


def test_with_three_seeds_nobody_leads_however_far_ahead(tmp_path):
    results = study(tmp_path, {name: fids[:3] for name, fids in AHEAD.items()})
    assert leader_in(results) is None
    assert "no method is better than every other" in said_of_leaders({"fid": "FID"}, {"fid": None})


def test_one_open_difference_leaves_no_leader(tmp_path):
    close = {**AHEAD, "wgan": [40.5 + seed - 2 * (seed % 2) for seed in SIX]}
    assert leader_in(study(tmp_path, close)) is None


def test_a_method_that_only_some_runs_tell_of_beats_nobody(tmp_path):
    """began has one seed left: its difference cannot be tested."""
    assert leader_in(study(tmp_path, {**AHEAD, "began": [80.0] + [None] * 5})) is None


@pytest.mark.parametrize(
    ("verdict", "state", "shown"),
    [(True, "finished", True), (False, "finished", False), (True, "stopped", False)],
)
def test_a_leader_whose_runs_do_not_all_show_their_data_is_not_named(
    verdict, state, shown, tmp_path
):
    first = leader_in(study(tmp_path, shows={"dcgan-s3": verdict}, state=state))
    assert (first.name, first.shows_data) == ("dcgan", shown)
    said = said_of_leaders({"fid": "FID"}, {"fid": first})
    assert ("is better than" in said) == shown
    assert shown or said == "FID: dcgan is ahead, but not all of its runs show the data."


def test_higher_is_better_where_it_is_and_no_side_has_no_leader(tmp_path):
    results = study(tmp_path)
    for run in results.runs:
        run.facts["measures"]["quality"]["last"]["inception_score"] = run.value("fid", "last")
    found = leaders(results, {"inception_score": differences(results, "inception_score")})
    assert found["inception_score"].name == "began"
    assert "sharpness" not in found


def test_the_stability_score_is_compared_by_seed_as_a_measure_is(tmp_path):
    first = leader_in(study(tmp_path), SCORE)
    assert first.name == "dcgan"


def test_tables_name_the_leader_or_nobody(tmp_path):
    study(tmp_path / "a")
    text = write_tables(tmp_path / "a").read_text()
    assert "FID-classifier at the last step: dcgan is better than every other method." in text
    facts = json.loads((tmp_path / "a/tables.json").read_text())
    assert facts["leaders"]["fid"] == {"name": "dcgan", "shows_data": True}
    study(tmp_path / "b", {name: fids[:3] for name, fids in AHEAD.items()})
    text = write_tables(tmp_path / "b").read_text()
    assert "Stability score: no method is better than every other by the study" in text
    assert json.loads((tmp_path / "b/tables.json").read_text())["leaders"]["stability"] is None
    study(tmp_path / "c", {"dcgan": [50.0, 51.0]})
    assert "better than every" not in write_tables(tmp_path / "c").read_text(), "it is alone"
