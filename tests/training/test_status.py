"""What run.json says of how a run stands: true after an error, an interrupt and a kill."""

import ast
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import steadygan
from steadygan import locks
from steadygan.errors import UserError, in_a_line
from steadygan.game.processes import ProcessLostError
from steadygan.report.read import read_folder
from steadygan.training import Hooks, Stopped, checkpoint, resume, train
from steadygan.training.runfolder import RunFolder, read_facts
from tests.reliability import games


def run_with(out, on_iteration, **more):
    more = {"steps": 3, "device": "cpu", **more}
    return train(games.small("gan"), games.images(), out=out, hooks=Hooks(on_iteration), **more)


def raising(error, at=2):
    def on_iteration(trainer):
        if trainer.iteration == at:
            raise error

    return on_iteration


def status_on_disk(run):
    return json.loads((run / "run.json").read_text())["status"]


@pytest.mark.parametrize(
    ("error", "state", "said", "code"),
    [
        (MemoryError(), "failed", "out of memory (MemoryError:); a smaller batch=", 1),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: 8 bytes"),
            "failed",
            "out of memory (RuntimeError: [enforce fail]",
            1,
        ),
        (RuntimeError("CUDA out of memory. Tried"), "failed", "out of memory (RuntimeError: C", 1),
        (RuntimeError("shapes differ\nmore"), "failed", "unexpected RuntimeError: shapes diff", 1),
        (UserError("no room"), "failed", "no room", 2),
        (Stopped("stopped on time", 75), "stopped", "stopped on time", None),
        (ProcessLostError("another process has ended"), "interrupted", "another process", None),
        (KeyboardInterrupt(), "interrupted", "its process ended without saving", None),
    ],
)
def test_whatever_ends_a_run_is_in_its_run_json(error, state, said, code, tmp_path):
    with pytest.raises(type(error)):
        run_with(tmp_path / "run", raising(error))
    status = status_on_disk(tmp_path / "run")
    assert status["state"] == state
    assert status["reason"].startswith(said)
    assert "\n" not in status["reason"]
    assert status.get("exit_code") == code
    assert status["step"] == 2


def test_an_error_without_words_is_a_line_too():
    assert in_a_line(ValueError()) == ("unexpected ValueError:", 1)
    assert in_a_line(RuntimeError("CUDA error")) == ("unexpected RuntimeError: CUDA error", 1)


@pytest.fixture
def killed(tmp_path):
    """A run whose process was killed at step 2 with a checkpoint of step 1; and the folder's state
    seen from outside while it trained."""
    out, seen = tmp_path / "run", tmp_path / "seen"
    child = os.fork()
    if child == 0:
        try:
            seen.mkdir()

            def on_iteration(trainer):
                if trainer.iteration == 2:
                    (seen / read_facts(out)["status"]["state"]).touch()
                    os.kill(os.getpid(), 9)

            schedule = games.LogSchedule(save_every=1, log_every=1)
            run_with(out, on_iteration, schedule=schedule)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -9
    assert [path.name for path in seen.iterdir()] == ["running"]
    return out


def test_a_killed_run_is_interrupted_for_whoever_reads_it(killed):
    assert status_on_disk(killed)["state"] == "running"
    assert read_facts(killed)["status"]["state"] == "interrupted"
    (run,) = read_folder(killed).runs
    assert (run.state, run.reason) == ("interrupted", locks.INTERRUPTED)
    (killed / ".lock").unlink()  # a copy may lack it
    assert read_facts(killed)["status"]["state"] == "interrupted"
    with RunFolder.open(killed):
        assert read_facts(killed)["status"]["state"] == "running"
        assert read_folder(killed).runs[0].state == "unfinished"


def test_a_resume_says_that_the_run_was_interrupted_and_ends_it(killed):
    newest = checkpoint.step_of(checkpoint.listed(killed / "checkpoints")[0])
    said = []
    resume(killed, data=games.images(), say=said.append)
    assert said == [f"{killed} was interrupted; going on from step {newest}"]
    assert read_facts(killed)["status"]["state"] == "finished"


def test_a_file_system_without_locks_leaves_what_run_json_says(killed, monkeypatch):
    def unsupported(handle, how):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(locks.fcntl, "flock", unsupported)
    assert locks.is_held(killed) is None
    assert read_facts(killed)["status"]["state"] == "running"


def test_looking_at_a_lock_is_never_taken_for_a_writer(tmp_path, monkeypatch):
    """A reader has the lock for an instant, in which a writer tries to take it."""
    real, tries = locks.fcntl.flock, []

    def busy_once(handle, how):
        tries.append(how)
        if len(tries) == 1:
            raise BlockingIOError
        real(handle, how)

    monkeypatch.setattr(locks.fcntl, "flock", busy_once)
    os.close(locks.acquire(tmp_path, "busy"))
    assert len(tries) == 2


def test_a_clock_that_is_set_back_changes_no_time_of_a_run(tmp_path, monkeypatch):
    clock = iter(range(10**9, 0, -3600))
    monkeypatch.setattr(time, "time", lambda: float(next(clock)))
    run = run_with(tmp_path / "run", lambda trainer: None)
    status = status_on_disk(run)
    assert 0 < status["seconds"] <= status["wall_seconds"] < 3600
    assert 50 < status["peak_memory_mib"] < 1_000_000


def test_the_peak_of_memory_is_not_that_of_the_program_which_started_this_one():
    """A study or a web app starts runs, and may hold more than they do."""
    command = (
        "from steadygan.training.status import peak_resident_mib as peak; "
        "held = b'1' * 2**29; del held; print(peak())"
    )
    held = b"1" * (2**30)
    found = subprocess.run([sys.executable, "-c", command], capture_output=True, check=True)
    assert 512 < float(found.stdout) < len(held) / 2**20


def test_a_kernel_that_does_not_say_the_peak_ends_no_run(tmp_path, monkeypatch):
    from steadygan.training import status

    for text in ("VmRSS:\t1 kB\n", None):
        path = tmp_path / f"{text is None}"
        if text is not None:
            path.write_text(text)
        monkeypatch.setattr(status, "Path", lambda name, path=path: path)
        assert 50 < status.peak_resident_mib() < 1_000_000


def test_durations_are_never_of_a_clock_that_can_be_set():
    """`time.time` and `datetime.now` stand only where the date itself is meant."""
    package = Path(steadygan.__file__).parent
    found = {
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
        and ast.unparse(node) in ("time.time", "datetime.datetime.now")
    }
    assert found == {
        "data/cache.py",
        "data/build/card.py",
        "data/build/hanzi.py",
        "training/loop.py",
    }
