"""Advice that is tried: the run again with a change, and what it came to."""

import pytest

from steadygan import cli
from steadygan.diagnosis import recorder, verify
from steadygan.diagnosis.diagnose import command
from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Advice
from steadygan.diagnosis.ranking import diagnosed
from steadygan.diagnosis.rules import longer
from steadygan.errors import UserError
from steadygan.losses.penalties import R1
from steadygan.methods import find
from steadygan.training import train
from steadygan.training.runfolder import read_facts
from tests.diagnosis.cases import BAD, CASES, evidence
from tests.reliability import games


@pytest.mark.parametrize(
    ("symptom", "method", "settings", "given", "refused"),
    [
        ("partial-collapse", "dcgan", {}, "--add minibatch-discrimination", "kernel=4"),
        ("partial-collapse", "ebgan", {}, "objective=rpgan --add r1:weight=1",
         "--add minibatch-discrimination"),
        ("checkerboard", "dcgan", {"kernel": "5"}, "kernel=4", "kernel=5"),
        ("checkerboard", "dcgan", {"kernel": "4"}, "", "kernel=4"),
        ("checkerboard", "sngan", {}, "", "kernel=4"),
        ("d-too-weak", "dcgan", {}, "d_steps=2", "d_steps=1"),
        ("d-too-weak", "wgan-gp", {}, "d_steps=10", "d_steps=2"),
    ],
)  # fmt: skip
def test_advice_is_what_the_recipe_takes(symptom, method, settings, given, refused):
    run = evidence(CASES[symptom]["late"], method=method, settings=settings)
    held = diagnosed(run)
    every = [held.headline, *held.effects, *held.others]
    (found,) = [finding for finding in every if finding is not None and finding.name == symptom]
    said = [advice.settings for advice in found.advice]
    assert refused not in said
    assert given in said or not given


def test_a_trial_that_the_recipe_refuses_is_said_and_the_next_one_taken(tmp_path, monkeypatch):
    every = [Advice("kernel=4", "no such key"), Advice("batch=16", "small")]
    monkeypatch.setattr(verify, "advised", lambda run, most: every)
    monkeypatch.setattr(verify, "finished", lambda *_: True)
    run, said = tmp_path / "run", []
    train(games.small("gan", shape=(2,)), "ring", out=run, steps=4, device="cpu")
    monkeypatch.setattr(verify, "compared", lambda folder, settings, *_, **__: settings)
    tried = list(verify.trials(run, 2, 0.5, said.append))
    assert tried == ["batch=16"]
    assert any(text.startswith("kernel=4 is not tried: ") for text in said)


def test_settings_of_advice_are_those_of_the_command_line():
    recipe = games.small("dcgan")
    found = verify.changed(recipe, "--add r1:weight=2 d_optimizer.lr=0.01 batch=16")
    assert (found.batch, found.d_optimizer.lr) == (16, 0.01)
    assert R1(weight=2.0) in found.parts()
    clipped = find("wgan").recipe
    assert verify.changed(clipped, "--drop weight-clip").parts() == []


@pytest.mark.parametrize(
    ("late", "outcome"),
    [(0.05, "good again"), (0.4, "better"), (0.88, "no change"), (2.0, "worse")],
)
def test_a_trial_is_held_against_the_run_at_the_same_step(late, outcome, tmp_path, monkeypatch):
    before = evidence(late={"ema_way": [0.95, 0.9, 0.3, 0.2, 0.1, 0.1]}, steps=60)
    after = evidence(late={"ema_way": late, "way": late}, steps=20)
    monkeypatch.setattr(Evidence, "of_run", classmethod(lambda cls, folder: after))
    trial = verify.compared(tmp_path, "lr=1", before, steps=20, failed=False)
    assert (trial.outcome, trial.before, trial.way) == (outcome, 0.9, late)
    assert verify.compared(tmp_path, "lr=1", before, 20, failed=True).outcome == "failed"


def test_what_is_advised_is_trained_beside_the_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(recorder, "COST", 100.0)

    def typed(*words):
        monkeypatch.setattr("sys.argv", ["steadygan", *map(str, words)])
        try:
            cli.main()
            return 0
        except SystemExit as error:
            return error.code

    tiny = ("width=16", "batch=16", "threads=1", "--device", "cpu")
    assert typed("train", "gan", "--data", "ring", "--steps", "60", *tiny,
                 "g_optimizer.lr=1e-6", "--out", "run") == 0  # fmt: skip
    capsys.readouterr()
    assert typed("diagnose", "run", "--try", "1") == 1
    out = capsys.readouterr().out
    assert "g-rate-too-low" in out
    (folder,) = (tmp_path / "run-try").iterdir()
    facts = read_facts(folder)
    assert facts["recipe"]["g_optimizer"]["lr"] == 2e-4
    assert facts["goal"] == {"steps": 20}
    assert folder.name == "g_optimizer.lr=0.0002"
    assert any(line.split(":")[0] in ("good again", "better", "no change", "worse")
               for line in out.splitlines())  # fmt: skip
    assert typed("diagnose", "run", "--try", "1") == 1, "a finished trial is read again"


def test_a_budget_is_as_many_steps_as_the_run_made_in_that_time(tmp_path):
    facts = {"status": {"step": 600, "seconds": 30.0}}
    assert verify.affordable(facts, 10.0, tmp_path) == 200
    assert verify.affordable(facts, 1e-9, tmp_path) == 1
    with pytest.raises(UserError, match="--budget needs the speed of the run"):
        verify.affordable({"status": {"step": 0, "seconds": 0.0}}, 10.0, tmp_path)


def test_nothing_to_try_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(verify, "advised", lambda run, most: list[Advice]())
    (tmp_path / "run.json").write_text("{}")
    monkeypatch.setattr(verify, "read_facts", lambda run: {})
    with pytest.raises(UserError, match="advises no change"):
        next(verify.trials(tmp_path, 3, 0.3, print))


def test_a_watched_loop_is_given_settings_and_no_command_that_is_not_there():
    advice = Advice("--add instance-noise", "a common support")
    assert command(advice, "dcgan", "r").startswith(
        "steadygan train dcgan ... --add instance-noise"
    )
    assert command(advice, "own", "r") == "--add instance-noise  (a common support)"
    watched = evidence(BAD, facts={"name": "watched"})
    assert "resume" not in longer(watched).why
    assert "steadygan resume" in longer(evidence(BAD)).why
