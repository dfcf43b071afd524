"""Settings changed when a run is resumed: recorded, exact from there on, or refused, with why."""

import json

import pytest
import torch

from steadygan.errors import UserError
from steadygan.game.part import Part
from steadygan.report.notices import changes as said_in_report
from steadygan.report.read import Run
from steadygan.training import (
    Hooks,
    LogSchedule,
    Stopped,
    checkpoint,
    replay,
    resume,
    segments,
    train,
)
from steadygan.training.runfolder import read_facts
from tests.reliability import games
from tests.reliability.resuming import stop_at

#: Steps before the change, and in all.
FIRST, ALL = 4, 9
DATA = games.images()


def started(out, recipe=None, **more):
    recipe = recipe or games.small("wgan-gp")
    return train(recipe, DATA, out=out, steps=FIRST, seed=3, device="cpu", precision="fp32",
                 schedule=LogSchedule(log_every=2, save_every=2), **more)  # fmt: skip


def gone_on(run, changes=None, hooks=None, **more):
    more = {"steps": ALL, **more}
    return resume(run, changes=changes, data=DATA, hooks=hooks, say=games.quiet, **more)


def changed_run(out, changes):
    return gone_on(started(out), changes)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run whose learning rate was changed at step 4, never interrupted after that."""
    return changed_run(tmp_path_factory.mktemp("whole") / "run", {"lr": "1e-5"})


def test_a_change_is_recorded_with_its_step_and_acts_from_there_on(whole, tmp_path):
    facts = read_facts(whole)
    wanted = {f"{side}_optimizer.lr": [1e-4, 1e-5] for side in "dg"}
    assert facts["segments"] == [{"step": 4, "images": 4 * 5 * 8, "changed": wanted}]
    assert facts["recipe"]["d_optimizer"]["lr"] == facts["recipe"]["g_optimizer"]["lr"] == 1e-5
    assert facts["inexact"] == []
    plain = gone_on(started(tmp_path / "plain"))
    assert "segments" not in read_facts(plain)
    before, after = ({line["step"]: line["d_loss"] for line in games.history(run)
                      if "d_loss" in line} for run in (plain, whole))  # fmt: skip
    assert before[4] == after[4]
    assert before[9] != after[9]
    assert games.unlike(games.whole_state(plain)[1], games.whole_state(whole)[1])


def test_a_changed_run_goes_on_exactly_wherever_it_is_cut(whole, tmp_path):
    run = started(tmp_path / "run")
    with pytest.raises(Stopped):
        gone_on(run, {"lr": "1e-5"}, stop_at(7))
    gone_on(run)
    games.same_end(run, whole)
    assert read_facts(run)["segments"] == read_facts(whole)["segments"]


def test_a_process_killed_before_the_first_save_of_a_segment_goes_on_in_it(whole, tmp_path):
    run = started(tmp_path / "run")

    def killed(_trainer):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        gone_on(run, {"lr": "1e-5"}, Hooks(killed))
    newest = checkpoint.load(checkpoint.listed(run / "checkpoints")[0])
    assert newest.info("identity")["recipe"]["d_optimizer"]["lr"] == 1e-4
    gone_on(run)
    games.same_end(run, whole)


def test_two_changes_at_one_step_are_two_segments_of_one_run(tmp_path):
    run = started(tmp_path / "run")

    def killed(_trainer):
        raise KeyboardInterrupt

    for lr in ("1e-3", "1e-5"):
        with pytest.raises(KeyboardInterrupt):
            gone_on(run, {"d_optimizer.lr": lr}, Hooks(killed))
    gone_on(run, {"gradient-penalty.weight": "5"})
    changed = [segment["changed"] for segment in read_facts(run)["segments"]]
    assert changed == [
        {"d_optimizer.lr": [1e-4, 1e-3]},
        {"d_optimizer.lr": [1e-3, 1e-5]},
        {"gradient-penalty.weight": [10.0, 5.0]},
    ]


def test_where_the_checkpoints_since_a_change_are_lost_it_is_undone_and_said(tmp_path):
    run = started(tmp_path / "run")
    gone_on(run, {"lr": "1e-5", "log_every": "3"}, steps=6)
    kept = [p.read_bytes() for p in checkpoint.listed(run / "checkpoints")[-1:]]
    gone_on(run, {"betas": "0.0,0.9"}, steps=8)
    for path in checkpoint.listed(run / "checkpoints"):
        path.write_bytes(b"lost")
    said = []
    (run / "checkpoints" / "step-000004.safetensors").write_bytes(kept[0])
    resume(run, steps=ALL, data=DATA, say=said.append)
    facts = read_facts(run)
    assert [segment["step"] for segment in facts["segments"]] == [4]
    assert facts["recipe"]["d_optimizer"]["betas"] == [0.5, 0.9]
    assert "back at step 4, before step 6 from which d_optimizer.betas=0.0,0.9" in "\n".join(said)
    games.same_end(run, changed_run(tmp_path / "other", {"lr": "1e-5", "log_every": "3"}))


def test_a_recipe_that_is_none_of_the_runs_is_refused_as_before(whole, tmp_path):
    run = changed_run(tmp_path / "run", {"lr": "1e-5"})
    facts = read_facts(run)
    facts["recipe"]["d_optimizer"]["lr"] = 3e-3
    (run / "run.json").write_text(json.dumps(facts))
    with pytest.raises(UserError, match=r"recipe.d_optimizer.lr: 1e-05 -> 0.003"):
        gone_on(run, steps=ALL + 1)


def test_a_cadence_changes_no_bit_and_is_recorded(tmp_path):
    plain = gone_on(started(tmp_path / "plain"))
    often = changed_run(tmp_path / "often", {"log_every": "1"})
    assert games.unlike(games.whole_state(plain)[1], games.whole_state(often)[1]) == []
    assert read_facts(often)["segments"][0]["changed"] == {"log_every": [2, 1]}
    assert read_facts(often)["cadence"]["log_every"] == 1
    assert [line["step"] for line in games.history(often)] == [0, 2, 4, 5, 6, 7, 8, 9]


def test_a_value_that_it_has_already_changes_nothing(tmp_path):
    run = changed_run(tmp_path / "run", {"lr": "1e-4"})
    assert "segments" not in read_facts(run)


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("width", "8", "networks are built when a run starts"),
        ("networks", "sngan", "networks are built when a run starts"),
        ("batch", "16", "the order of the data is counted in batches of this size"),
        ("prior.dim", "9", "G has learnt to read latents of this prior"),
        ("prior", "uniform", "G has learnt to read latents of this prior"),
        ("objective", "hinge", "D's scores mean what this objective has made of them"),
        ("optimizer", "rmsprop", "moments belong to a kind of optimizer"),
        ("spectral_norm", "true", "parts are given their state and their layers when a run"),
        ("gradient_penalty", "false", "parts are given their state and their layers when a run"),
        ("size", "32", "a run goes on with the data that it began with"),
        ("threads", "2", "the number of threads decides a run's bits"),
        ("precision", "bf16", "the precision decides a run's bits"),
        ("preset", "light", "give its other keys one by one"),
        ("lrr", "1", "this run has no key 'lrr'; did you mean"),
        ("lr", "fast", "should be a valid number"),
        ("log_every", "-1", "should be greater than or equal to 0"),
    ],
)
def test_what_cannot_change_is_refused_with_the_reason_and_nothing_is_touched(
    key, value, why, untouched
):
    before = (untouched / "run.json").read_bytes()
    with pytest.raises(UserError) as caught:
        gone_on(untouched, {key: value})
    assert str(caught.value).startswith(f"{key}={value}: ")
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)
    assert (untouched / "run.json").read_bytes() == before


@pytest.fixture(scope="module")
def untouched(tmp_path_factory):
    return started(tmp_path_factory.mktemp("untouched") / "run")


@pytest.mark.parametrize(
    ("method", "part", "key", "wanted"),
    [
        ("dcgan", "replay:capacity=9", "replay.capacity", "were built with it"),
        ("dcgan", "spectral-norm", "spectral-norm.players", "were built with it"),
        ("dcgan", "replay:capacity=9", "replay.share", None),
        ("dcgan", "label-smoothing", "label-smoothing.real", None),
        ("began", None, "lambda_k", None),
        ("began", None, "k_start", "this method builds or trains something with it"),
        ("decoding", None, "decode_weight", "this method builds or trains something with it"),
        ("decoding", None, "ae_optimizer.lr", "this method builds or trains something with it"),
        ("lsgan", None, "objective.coding", None),
    ],
)  # fmt: skip
def test_which_keys_of_parts_and_methods_may_change(method, part, key, wanted):
    recipe = games.small(method)
    recipe = recipe if part is None else recipe.with_(Part.read(part))
    value = {"spectral-norm.players": "both", "objective.coding": "01"}.get(key, "0.3")
    value = "7" if key == "replay.capacity" else value
    settings = segments.Settings(recipe, LogSchedule())
    if wanted is None:
        assert list(segments.differences(settings, segments.changed(settings, {key: value}))) == [
            key
        ]
    else:
        with pytest.raises(UserError, match=wanted):
            segments.changed(settings, {key: value})


def test_a_finished_run_is_told_how_much_longer(untouched):
    with pytest.raises(UserError, match="has reached its goal at step 4: say how much longer"):
        gone_on(untouched, {"lr": "1e-5"}, steps=None)


def test_a_run_in_a_stage_changes_its_settings_after_it(tmp_path):
    run = tmp_path / "run"
    with pytest.raises(Stopped):
        started(run, games.small("decoding"), hooks=stop_at(3))
    with pytest.raises(UserError, match="is in its pre-training stage 'autoencoder'"):
        gone_on(run, {"lr": "1e-5"})
    with pytest.raises(Stopped):
        gone_on(run, hooks=stop_at(4))
    assert "segments" not in read_facts(run)


def test_a_recipe_that_is_given_may_be_the_one_of_the_start_or_of_now(whole, tmp_path):
    first = games.small("wgan-gp")
    now = first.changed(optimizer=first.d_optimizer.model_copy(update={"lr": 1e-5}))
    for name, recipe in (("first", first), ("now", now)):
        run = started(tmp_path / name)
        with pytest.raises(Stopped):
            gone_on(run, {"lr": "1e-5"}, stop_at(6), recipe=first)
        gone_on(run, recipe=recipe)
        games.same_end(run, whole)


def test_the_callers_threads_are_given_back(tmp_path):
    run = started(tmp_path / "run")
    facts = read_facts(run)
    (run / "run.json").write_text(json.dumps({**facts, "threads": 2}))
    inside = []
    hooks = Hooks(lambda trainer: inside.append(torch.get_num_threads()))
    gone_on(run, hooks=hooks, allow_inexact=True, steps=5)
    assert inside == [2]
    assert torch.get_num_threads() == 1
    (run / "failure").mkdir()
    with pytest.raises(UserError):
        replay(run)
    assert torch.get_num_threads() == 1


def test_the_report_says_what_was_changed(whole):
    run = Run(whole, read_facts(whole), [])
    assert said_in_report(run) == [
        "settings changed at step 4: d_optimizer.lr from 0.0001 to 1e-05, "
        "g_optimizer.lr from 0.0001 to 1e-05"
    ]
    odd = {"segments": [{"step": "x", "changed": {"lr": 3}}, 7, {"changed": {"lr": []}}]}
    assert len(said_in_report(Run(whole, odd, []))) == 3
