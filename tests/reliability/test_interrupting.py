"""Signals outside the training loop, closed pipes, full streams, a working folder that is gone:
always one line at most, the right exit code, nothing half-written."""

import os
import signal
import sys
import time

import pytest

from steadygan import cli
from steadygan.cli import streams
from steadygan.training import StopAsked, checkpoint
from steadygan.training.runfolder import read_facts
from tests.reliability import children, interrupting, killing


def started(function, words, tmp_path, *more):
    said = tmp_path / "said.txt"
    words = [str(word) for word in words]
    process = children.start(function, words, str(tmp_path / "cache"), *more, stderr=said)
    return process, said


def ended(process, limit=120):
    process.join(limit)
    assert process.exitcode is not None
    return process.exitcode


COMMANDS = {
    "train": ("train", "gan", "--out", "OUT"),
    "compare": ("compare", "gan", "wgan", "--jobs", "2", "--out", "OUT"),
    "evaluate": ("evaluate", "SAMPLES", "--against", "mnist"),
}


@pytest.mark.parametrize(
    ("command", "number", "code"),
    [
        ("train", signal.SIGINT, 130),
        ("compare", signal.SIGINT, 130),
        ("evaluate", signal.SIGINT, 130),
        ("train", signal.SIGTERM, 143),
        ("train", signal.SIGHUP, 129),
    ],
)
def test_a_signal_while_data_is_prepared_is_a_line_and_its_code(command, number, code, tmp_path):
    (tmp_path / "samples").mkdir()
    paths = {"OUT": tmp_path / "out", "SAMPLES": tmp_path / "samples"}
    words = [paths.get(word, word) for word in COMMANDS[command]]
    ready = tmp_path / "ready"
    process, said = started(interrupting.while_data_is_prepared, words, tmp_path, ready)
    while not ready.exists() and process.exitcode is None:
        time.sleep(0.01)
    os.kill(process.pid, number)
    assert ended(process) == code
    assert said.read_text().splitlines()[-1] == f"steadygan: interrupted by {number.name}"
    assert "Traceback" not in said.read_text()
    assert not (tmp_path / "out").exists()


def test_a_terminal_that_hangs_up_saves_the_run_unless_that_is_ignored(tmp_path):
    words = killing.words("gan", tmp_path / "run", 100_000)
    process, said = started(children.command, words, tmp_path)
    checkpoints = tmp_path / "run" / "checkpoints"
    while not checkpoint.listed(checkpoints) and process.exitcode is None:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGHUP)
    assert ended(process) == 129
    status = read_facts(tmp_path / "run")["status"]
    assert (status["state"], status["reason"]) == ("stopped", "stopped by SIGHUP, state saved")
    assert checkpoint.step_of(checkpoint.listed(checkpoints)[0]) == status["step"]
    assert said.read_text().endswith("steadygan: stopped by SIGHUP, state saved\n")


def test_under_nohup_a_hangup_changes_nothing(monkeypatch):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopAsked().listening() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            assert stop() is None
        with cli.interrupts.ending():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_run_whose_output_nobody_reads_is_saved_and_ends(tmp_path):
    words = killing.words("gan", tmp_path / "run", 100_000)
    process, _ = started(interrupting.with_streams, words, tmp_path, "unread", "unread")
    assert ended(process) == 141
    status = read_facts(tmp_path / "run")["status"]
    assert (status["state"], status["reason"][:28]) == ("stopped", "the pipe it writes to was cl")
    newest = checkpoint.listed(tmp_path / "run" / "checkpoints")[0]
    assert checkpoint.step_of(newest) == status["step"]


@pytest.mark.parametrize(
    ("out", "err", "code", "said"),
    [
        ("closed", "SAID", 2, "steadygan: standard output is closed; `> /dev/null` drops what is "
                              "written there\n"),
        ("full", "SAID", 2, "steadygan: standard output cannot be written: No space left on "
                            "device\n"),
        ("unread", "SAID", 141, ""),
        ("SAID", "closed", 0, "METHODS"),
        ("SAID", "full", 0, "METHODS"),
        ("closed", "closed", 2, ""),
    ],
)  # fmt: skip
def test_closed_and_full_streams(out, err, code, said, tmp_path, capfd):
    file = tmp_path / "stream.txt"
    file.touch()
    paths = [str(file) if how == "SAID" else how for how in (out, err)]
    process, _ = started(interrupting.with_streams, ["methods"], tmp_path, *paths)
    assert ended(process) == code
    text = file.read_text()
    if said == "METHODS":
        assert "wgan-gp" in text
    else:
        assert text == said


def test_the_numbers_of_closed_streams_go_to_no_other_file(tmp_path):
    """With descriptor 2 closed the next file opened would get it, and all that is said there."""
    out = tmp_path / "run"
    words = killing.words("gan", out, 4)
    process, _ = started(interrupting.with_streams, words, tmp_path, str(tmp_path / "o"), "closed")
    assert ended(process) == 0
    assert (tmp_path / "o").read_text() == f"{out / 'report.html'}\n"


def test_a_working_folder_that_is_gone_is_one_line(tmp_path):
    gone = interrupting.from_a_folder_that_is_gone
    process, said = started(gone, ["methods"], tmp_path, tmp_path / "gone")
    assert ended(process) == 2
    expected = "steadygan: the working folder is gone; `cd` to one that is there\n"
    assert said.read_text() == expected


# ---- in this process ----------------------------------------------------------------------------


@pytest.fixture
def steadygan(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["steadygan", *map(str, words)])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        return caught.value.code, capfd.readouterr().err.splitlines()

    return call


@pytest.mark.parametrize("command", ["train", "compare"])
def test_an_out_folder_of_300_characters_is_one_short_line(command, steadygan, tmp_path):
    code, err = steadygan(command, "gan", "--data", "ring", "--steps", "1", "--out", "n" * 300)
    assert code == 2
    assert "too long" in err[-1]
    assert len(err[-1]) < 200
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["train", "compare", "evaluate"])
def test_more_threads_than_cores_are_refused(command, steadygan, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    (tmp_path / "samples").mkdir()
    first = {"evaluate": "samples"}.get(command, "gan")
    against = ["--against" if command == "evaluate" else "--data", "mnist"]
    code, err = steadygan(command, first, *against, "threads=4096")
    assert code == 2
    assert err[-1] == "steadygan: threads=4096: this machine has 2 cores; give at most 2"
    assert [path.name for path in tmp_path.iterdir()] == ["samples"]


@pytest.mark.parametrize(
    ("error", "said", "code"),
    [
        (MemoryError(), "out of memory (MemoryError:); a smaller batch= or width= needs less", 1),
        (KeyError("x"), "unexpected KeyError: 'x'; the same command with --debug shows where", 1),
        (PermissionError(13, "Permission denied", "/a/b"), "/a/b: Permission denied", 2),
        (OSError(36, "File name too long", "n" * 300), "n" * 60 + "..." + "n" * 20 + ": File name "
         "too long", 2),
    ],
)  # fmt: skip
def test_an_error_that_nobody_foresaw_is_a_line(error, said, code, steadygan, monkeypatch):
    def broken(**_more):
        raise error

    monkeypatch.setattr(cli, "app", broken)
    assert steadygan("methods") == (code, [f"steadygan: {said}"])


def test_streams_that_another_program_replaced_are_left_alone(monkeypatch):
    class Notebook:
        def write(self, text):
            raise AssertionError

        def flush(self):
            pass

    mine = Notebook()
    monkeypatch.setattr(sys, "stdout", mine)
    with streams.guarded() as guard:
        assert sys.stdout is mine
        assert guard is None
        assert streams.code_at_end(guard) == 0
