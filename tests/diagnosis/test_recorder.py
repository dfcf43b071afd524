"""Probes of our own runs: they move nothing, cost little, and are taken up by a resumed run."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from steadygan import cli
from steadygan.data import open_data
from steadygan.diagnosis import recorder
from steadygan.diagnosis.diagnose import conclude, diagnose
from steadygan.diagnosis.live import with_diagnosis
from steadygan.diagnosis.recorder import COST, Prober
from steadygan.errors import NonFiniteError
from steadygan.methods import find
from steadygan.report import write_report
from steadygan.training import Goal, Hooks, LogSchedule, Stopped, resume, train
from steadygan.training.runfolder import read_facts, read_history
from tests.reliability import games

#: A method of each kind: a head, latents in D, stages, energies, a critic.
KINDS = (
    "acgan",
    "bigan",
    "d2gan",
    "decoding",
    "began",
    "infogan",
    "r3gan",
    "sagan-hinge",
    "wgan-gp",
)


def probes_of(folder):
    return [line for line in read_history(folder) if "probe" in line]


def run(recipe, folder, steps=12, hooks=None, data=None, **more):
    data = games.images() if data is None else data
    each = LogSchedule(log_every=1)
    return train(recipe, data, out=folder, steps=steps, device="cpu", hooks=hooks, schedule=each,
                 **more)  # fmt: skip


def everywhen(steps=12, **more):
    """A prober for which time is no object."""
    return Prober(Goal(steps=steps), clock=lambda: 0.0, **more)


@pytest.mark.parametrize("method", KINDS)
def test_a_probed_run_is_the_same_bit_for_bit(method, tmp_path):
    ends = []
    for name, hooks in (("plain", Hooks()), ("probed", Hooks(evaluate=everywhen(4)))):
        trainers = []
        hooks.on_iteration = trainers.append
        run(games.small(method), tmp_path / name, 4, hooks)
        ends.append({k: v.clone() for k, v in trainers[-1].gathered().items()})
    assert games.unlike(*ends) == []
    lines = probes_of(tmp_path / "probed")
    assert [line["step"] for line in lines] == [0, 1, 2, 3, 4]
    assert {"way", "diversity", "auc", "real_min"} <= set(lines[-1]["probe"])


def test_signals_are_of_what_the_run_does(tmp_path):
    run(games.small("dcgan"), tmp_path / "run", 12, Hooks(evaluate=everywhen()))
    first, *_, last = probes_of(tmp_path / "run")
    assert "g_travel" not in first["probe"]
    assert last["probe"]["g_travel"] > 0 < last["probe"]["d_travel"]
    assert "real_duplicates" in first["probe"]
    assert set(last["probe"]) >= {"d_gain", "g_gain", "mode_gap", "ema_way", "batch_min"}


def test_a_resumed_run_goes_on_with_its_movement(tmp_path):
    recipe, data = games.small("gan"), games.images()
    run(recipe, tmp_path / "whole", 8, Hooks(evaluate=everywhen(8)))
    asked = iter([None] * 5 + [Stopped("now", 75)] * 9)
    hooks = Hooks(evaluate=everywhen(8), stop=lambda: next(asked))
    with pytest.raises(Stopped):
        run(recipe, tmp_path / "cut", 8, hooks)
    resume(tmp_path / "cut", data=data, hooks=Hooks(evaluate=everywhen(8)), say=games.quiet)
    whole, cut = (probes_of(tmp_path / name) for name in ("whole", "cut"))
    assert [line["step"] for line in whole] == [line["step"] for line in cut]
    assert whole[-1]["probe"]["g_travel"] == pytest.approx(cut[-1]["probe"]["g_travel"], rel=1e-5)
    assert whole[-1]["probe"]["way"] == pytest.approx(cut[-1]["probe"]["way"], abs=1e-5)


def test_a_run_that_goes_on_from_before_its_last_probe_takes_no_later_weights(tmp_path):
    """Killed between a probe and the next checkpoint: the weights remembered are of steps that are
    played again."""
    recipe, data, run_at = games.small("gan"), games.images(), tmp_path / "run"
    run(recipe, run_at, 4, Hooks(evaluate=everywhen(4)))
    later = (run_at / recorder.FILE).read_bytes()
    shutil.rmtree(run_at)
    run(recipe, run_at, 3, Hooks(evaluate=everywhen(4)))
    (run_at / recorder.FILE).write_bytes(later)
    resume(run_at, data=data, steps=4, hooks=Hooks(evaluate=everywhen(4)), say=games.quiet)
    last = probes_of(run_at)[-1]
    assert last["step"] == 4
    assert "g_travel" in last["probe"]
    assert "g_move" not in last["probe"], "how far it moved since step 3 is not known"


@pytest.mark.parametrize("damage", [b"", b"no tensors", b"x" * 2_000_000])
def test_a_damaged_memory_of_weights_is_said_and_left(damage, tmp_path):
    recipe, data, said = games.small("gan"), games.images(), []
    run(recipe, tmp_path / "run", 4, Hooks(evaluate=everywhen(4)))
    (tmp_path / "run" / recorder.FILE).write_bytes(damage)
    hooks = Hooks(evaluate=everywhen(8, say=said.append))
    resume(tmp_path / "run", data=data, steps=8, hooks=hooks, say=games.quiet)
    assert len(said) == 1
    assert "movement is measured from here on" in said[0]
    assert probes_of(tmp_path / "run")[-1]["probe"]["g_travel"] > 0


def test_probes_stay_in_their_share_of_the_time(tmp_path):
    """A clock on which a probe takes as long as five iterations."""
    trainers, now = [], [0.0]

    def clock():
        now[0] += 0.05  # a probe looks twice: .1 s
        return now[0]

    prober = Prober(Goal(steps=200), clock=clock)
    hooks = Hooks(evaluate=prober, on_iteration=trainers.append)
    folder = tmp_path / "run"

    def slowly(trainer):
        trainer.seconds = float(trainer.iteration) * 0.04
        return prober(trainer)

    hooks.evaluate = slowly
    run(games.small("gan"), folder, 200, hooks)
    assert trainers[-1].seconds == pytest.approx(8.0, rel=0.01)
    assert prober.spent <= COST * 8.0 + 0.2 + 0.05, "but for the first and the last one"
    assert 3 <= len(probes_of(folder)) <= 5


def frozen(trainer):
    trainer.state.players["g"].step = lambda gradients, settings: None


def test_a_finding_is_said_once_and_a_lost_run_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(recorder, "COST", 100.0)
    said, patched = [], []

    def evaluate(trainer):
        if not patched:
            patched.append(frozen(trainer))

    for stop_on_fault in (False, True):
        folder = tmp_path / str(stop_on_fault)
        plain = Hooks(evaluate=evaluate)
        patched.clear()
        said.clear()
        hooks = with_diagnosis(plain, Goal(steps=60), said.append, stop_on_fault)
        if stop_on_fault:
            with pytest.raises(Stopped, match="g-not-updated") as caught:
                run(games.small("gan"), folder, 60, hooks)
            assert caught.value.exit_code == 1
            assert list((folder / "checkpoints").iterdir())
            assert read_facts(folder)["status"]["step"] < 60
        else:
            run(games.small("gan"), folder, 60, hooks)
        assert len(said) == 1
        assert "g-not-updated" in said[0]
        facts = read_facts(folder)
        assert [finding["name"] for finding in facts["findings"]] == ["g-not-updated"]
    assert conclude(folder).headline.name == "g-not-updated"
    assert read_facts(folder)["diagnosis"]["verdict"] == "fault"
    page = write_report(folder).read_text()
    assert "Diagnosis: fault: the generator" in page
    assert "g_travel" in page


def test_a_run_that_stopped_on_nan_is_diagnosed_as_that(tmp_path):
    recipe = games.small("gan", lr=1e30)
    with pytest.raises(NonFiniteError):
        run(recipe, tmp_path / "run", 30, Hooks(evaluate=everywhen(30)))
    found = diagnose(tmp_path / "run")
    assert found.headline.name == "non-finite"
    assert any("lr=" in advice.settings for advice in found.headline.advice)


@pytest.fixture
def steadygan(capsys, monkeypatch):
    def typed(*words):
        monkeypatch.setattr("sys.argv", ["steadygan", *map(str, words)])
        try:
            cli.main()
            code = 0
        except SystemExit as error:
            code = error.code
        streams = capsys.readouterr()
        return code, streams.out, streams.err

    return typed


def test_the_command_on_a_run_and_on_nothing(steadygan, tmp_path):
    data = ("--data", "ring", "width=8", "batch=32", "threads=1", "--device", "cpu")
    bad = tmp_path / "bad"
    code, _, err = steadygan("train", "gan", *data, "--steps", "150", "g_optimizer.lr=1e-9",
                             "--out", bad)  # fmt: skip
    assert code == 0
    assert "diagnosis: " in err
    code, out, _ = steadygan("diagnose", bad)
    assert code in (0, 1)
    assert out.startswith(("fault: ", "undecided: ", "healthy"))
    code_again, text, _ = steadygan("diagnose", bad, "--json")
    assert code_again == code
    assert json.loads(text)["says"] in out
    code, _, err = steadygan("diagnose", tmp_path)
    assert code == 2
    assert "no run, no study" in err


def test_a_probe_adds_no_line_to_the_history(tmp_path):
    data = games.images()
    for name, hooks in (("plain", Hooks()), ("probed", Hooks(evaluate=everywhen(50)))):
        train(games.small("gan"), data, out=tmp_path / name, steps=50, device="cpu", hooks=hooks)
    plain, probed = (list(read_history(tmp_path / name)) for name in ("plain", "probed"))
    assert [line["step"] for line in plain] == [line["step"] for line in probed]
    assert len(probes_of(tmp_path / "probed")) > 3


def test_runs_of_before_without_probes_are_undecided(steadygan, tmp_path):
    run(games.small("gan"), tmp_path / "old", 3)
    code, out, _ = steadygan("diagnose", tmp_path / "old")
    assert code == 0
    assert out.startswith("undecided: not enough evidence: needs probes")


def test_the_last_probe_leaves_pictures_of_its_evidence(tmp_path):
    from PIL import Image

    run(games.small("dcgan"), tmp_path / "run", 4, Hooks(evaluate=everywhen(4)))
    for name in ("twins", "modes"):
        with Image.open(tmp_path / "run" / "samples" / f"{name}.png") as picture:
            side = games.images().shape[1] + 2
            assert picture.size == (8 * side + 2, 3 * side + 2)
    points = open_data("ring")
    vector = find("gan").fitted(points.shape)
    run(vector, tmp_path / "points", 4, Hooks(evaluate=everywhen(4)), points)
    assert not list((tmp_path / "points" / "samples").glob("twins.png"))


@pytest.mark.parametrize("method", ["cgan", "acgan", "multiclass-lsgan"])
def test_a_single_class_is_probed_without_an_effect_of_classes(method, tmp_path):
    data = games.images()
    alone = replace(
        data,
        class_names=("a",),
        train=replace(data.train, labels=np.zeros(len(data.train.items), np.int64)),
        test=replace(data.test, labels=np.zeros(len(data.test.items), np.int64)),
    )
    hooks = Hooks(evaluate=everywhen(2))
    run(games.small(method), tmp_path / "run", 2, hooks, alone)
    found = [line["probe"] for line in probes_of(tmp_path / "run")]
    assert len(found) == 3
    assert all("code_effect" not in signals for signals in found)
