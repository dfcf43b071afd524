"""What follows a run while it trains: trackers, and its own report."""

import csv
import sys
import types

import numpy as np
import pytest

from steadygan import cli
from steadygan.errors import UserError
from steadygan.tracking import Follower, LiveReport, tracker
from steadygan.tracking.trackers import Tracker, scalars_of
from steadygan.training import Hooks, LogSchedule, Stopped, resume, train
from steadygan.training.runfolder import RunFolder, read_history
from tests.reliability import games


def trained(out, *readers, steps=6, say=games.quiet, stop=lambda: None, **more):
    schedule = LogSchedule(log_every=2, save_every=0, sample_every=4)
    with Follower(readers, say=say, clock=iter(range(10**6)).__next__) as follower:
        train(games.small("gan"), games.images(), out=out, steps=steps, device="cpu",
              precision="fp32", schedule=schedule, hooks=Hooks(follower, stop=stop),
              **more)  # fmt: skip
    return out


class Listener:
    def __init__(self):
        self.lines, self.closed = [], 0

    def line(self, run, line):
        self.lines.append(line)

    def close(self, run):
        self.closed += 1


class Recorded(Tracker):
    def __init__(self):
        super().__init__()
        self.calls = []

    def begin(self, run, settings, step):
        self.calls.append(("begin", dict(settings), step))

    def scalars(self, step, values):
        self.calls.append(("scalars", step, dict(values)))

    def picture(self, step, name, path):
        assert path.is_file()
        self.calls.append(("picture", step, name))

    def finding(self, step, said):
        self.calls.append(("finding", step, said))

    def end(self):
        self.calls.append(("end",))

    def of(self, kind):
        return [call[1:] for call in self.calls if call[0] == kind]


def test_each_line_is_told_once_in_its_order(tmp_path):
    listener = Listener()
    run = trained(tmp_path / "run", listener)
    assert listener.lines == list(read_history(run))
    assert [line["step"] for line in listener.lines] == [0, 2, 4, 6]
    assert listener.closed == 1


def test_following_changes_no_bit(tmp_path):
    followed = trained(tmp_path / "a", Listener(), LiveReport(), Recorded())
    alone = trained(tmp_path / "b")
    for name in ("checkpoints", "samples"):
        for path in sorted((followed / name).iterdir()):
            if path.suffix == ".png":
                assert path.read_bytes() == (alone / name / path.name).read_bytes()
    from steadygan.training.sampling import load_parts

    first, second = (load_parts(run, games.quiet)[0].state_dict() for run in (followed, alone))
    assert all(np.array_equal(first[key], second[key]) for key in first)


def test_a_resumed_run_tells_what_is_new(tmp_path):
    seen = iter([None, None, Stopped("enough", 75)])
    with pytest.raises(Stopped):
        trained(tmp_path / "run", Listener(), stop=lambda: next(seen))
    listener = Listener()
    with Follower([listener], clock=iter(range(10**6)).__next__) as follower:
        resume(tmp_path / "run", data=games.images(), hooks=Hooks(follower), say=games.quiet)
    assert [line["step"] for line in listener.lines] == [4, 6]


def test_a_reader_that_fails_ends_no_run(tmp_path):
    class Failing(Listener):
        def line(self, run, line):
            raise RuntimeError("no route to host\nat all")

    said, listener = [], Listener()
    run = trained(tmp_path / "run", Failing(), listener, say=said.append)
    assert said == ["Failing is told nothing more of this run: RuntimeError: no route to host"]
    assert listener.lines == list(read_history(run))


def test_a_tracker_gets_settings_numbers_pictures_and_findings(tmp_path):
    recorded = Recorded()
    run = trained(tmp_path / "run", recorded)
    ((settings, step),) = recorded.of("begin")
    assert step == 0
    assert settings["method"] == "gan"
    assert settings["batch"] == games.small("gan").batch
    assert settings["d_optimizer.lr"] == games.small("gan").d_optimizer.lr
    numbers = dict(recorded.of("scalars"))
    assert sorted(numbers) == [0, 2, 4, 6]
    assert numbers[6]["d_loss"] == list(read_history(run))[-1]["d_loss"]
    assert recorded.of("picture") == [(0, "samples"), (4, "samples"), (6, "samples")]
    assert recorded.calls[-1] == ("end",)
    with RunFolder.open(run) as folder:
        folder.update_facts(findings=[{"name": "g-frozen", "step": 4, "says": "it stands"}])
    recorded.line(run, {"step": 8, "probe": {"auc": 0.9}})
    recorded.line(run, {"step": 10, "probe": {"auc": 0.9}})
    assert recorded.of("finding") == [(4, "g-frozen: it stands")]


def test_scalars_are_the_finite_numbers():
    line = {"step": 3, "d_loss": 1, "fid": None, "g_loss": float("nan"), "samples": "a.png",
            "weight_histogram": [1, 2], "probe": {"auc": 0.5, "names": ["a"]},
            "ok": True}  # fmt: skip
    assert dict(scalars_of(line)) == {"d_loss": 1.0, "probe/auc": 0.5}


def test_a_report_is_written_again_in_its_share_of_the_time(tmp_path):
    now = [0.0]
    written = []

    def write(run):
        written.append(run)
        now[0] += 3.0

    report = LiveReport(write, lambda: now[0])
    for seconds, pages in ((100, 0), (150, 1), (400, 1), (600, 2), (800, 2), (900, 3)):
        report.line(tmp_path, {"seconds": float(seconds), "samples": "s.png"})
        report.line(tmp_path, {"seconds": float(seconds)})
        assert len(written) == pages, seconds
    assert report.spent == 9.0


def test_a_page_of_a_running_run_loads_itself_again(tmp_path):
    from steadygan.report import write_report

    pages = []

    class Writing(Listener):
        def line(self, run, line):
            pages.append(write_report(run).read_text(encoding="utf-8"))

    run = trained(tmp_path / "run", Writing())
    assert pages
    assert all('http-equiv="refresh" content="15"' in page for page in pages)
    assert 'http-equiv="refresh"' not in write_report(run).read_text(encoding="utf-8")


# ---- the field's own libraries -------------------------------------------------------------------


def test_event_files_hold_what_was_told(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = trained(tmp_path / "run", tracker("tensorboard"))
    found = EventAccumulator(str(run / "tensorboard"))
    found.Reload()
    losses = {event.step: event.value for event in found.Scalars("d_loss")}
    wanted = {line["step"]: line["d_loss"] for line in read_history(run) if "d_loss" in line}
    assert losses == pytest.approx(wanted)
    assert [event.step for event in found.Images("samples")] == [0, 4, 6]
    assert any("settings" in tag for tag in found.Tags()["tensors"])


def fake_library(monkeypatch, name):
    """wandb or trackio as far as it is used; what it was told."""
    told = []
    run = types.SimpleNamespace(
        log=lambda values, step: told.append((step, values)),
        alert=lambda title, text: told.append((title, text)),
        finish=lambda: told.append("finish"),
    )
    module = types.ModuleType(name)
    module.init = lambda **given: told.append(given) or run
    module.Image = lambda path: ("image", path)
    monkeypatch.setitem(sys.modules, name, module)
    return told


def test_wandb_is_offline_unless_told_otherwise(tmp_path, monkeypatch):
    monkeypatch.delenv("WANDB_MODE", raising=False)
    told = fake_library(monkeypatch, "wandb")
    run = trained(tmp_path / "run", tracker("wandb"))
    begun, *more = told
    assert begun["mode"] == "offline"
    assert begun["dir"] == str(run)
    assert begun["config"]["method"] == "gan"
    assert more[-1] == "finish"
    assert [step for step, values in more[:-1] if "d_loss" in values] == [2, 4, 6]
    assert (0, {"samples": ("image", str(run / "samples" / "step-000000.png"))}) in more
    monkeypatch.setenv("WANDB_MODE", "online")
    trained(tmp_path / "other", tracker("wandb"), steps=2)
    assert [each["mode"] for each in told if isinstance(each, dict)] == ["offline", "online"]


def test_trackio_keeps_a_run_and_takes_up_a_resumed_one(tmp_path, monkeypatch):
    told = fake_library(monkeypatch, "trackio")
    seen = iter([None, None, Stopped("enough", 75)])
    with pytest.raises(Stopped):
        trained(tmp_path / "run", tracker("trackio"), stop=lambda: next(seen))
    with Follower([tracker("trackio")], clock=iter(range(10**6)).__next__) as follower:
        resume(tmp_path / "run", data=games.images(), hooks=Hooks(follower), say=games.quiet)
    begun = [each for each in told if isinstance(each, dict)]
    assert [(each["name"], each["resume"]) for each in begun] == [
        ("run", "never"),
        ("run", "allow"),
    ]
    assert begun[0]["config"]["method"] == "gan"
    assert told.count("finish") == 2
    steps = [each[0] for each in told if isinstance(each, tuple) and "d_loss" in each[1]]
    assert steps == [2, 4, 6]
    assert (0, {"samples": ("image", str(tmp_path / "run/samples/step-000000.png"))}) in told


@pytest.mark.parametrize("name", ["tensorboard", "wandb", "trackio"])
def test_a_missing_library_is_named_with_the_command_that_installs_it(name, monkeypatch):
    for module in ("wandb", "trackio", "torch.utils.tensorboard"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UserError, match=rf"pip install -c constraints.txt 'steadygan\[{name}\]'"):
        tracker(name)


def test_another_tracker_is_refused():
    with pytest.raises(UserError, match="--track tensorbord: no such tracker; did you mean"):
        tracker("tensorbord")


# ---- curves --------------------------------------------------------------------------------------


def test_curves_are_a_table_of_every_line(tmp_path, monkeypatch, capsys):
    run = trained(tmp_path / "run")
    monkeypatch.setattr(sys, "argv", ["steadygan", "curves", str(run), "--csv"])
    cli.main()
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    lines = list(read_history(run))
    assert [int(row["step"]) for row in rows] == [line["step"] for line in lines]
    assert float(rows[-1]["d_loss"]) == lines[-1]["d_loss"]
    assert rows[0]["d_loss"] == ""
    out = tmp_path / "c.csv"
    monkeypatch.setattr(sys, "argv", ["steadygan", "curves", str(run), "--out", str(out)])
    cli.main()
    assert len(out.read_text().splitlines()) == 1 + len(lines)
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 2
    assert "exists; --force overwrites it" in capsys.readouterr().err
