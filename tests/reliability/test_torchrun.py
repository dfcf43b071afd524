"""Runs of two processes that torchrun starts, through the command: killed, stopped, started
again."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from steadygan.training import checkpoint
from steadygan.training.runfolder import read_facts, read_history
from tests.reliability.games import unlike

pytestmark = pytest.mark.long

STEPS = 400
#: Small networks, with dropout: each process draws masks of its own, as a function of the step.
GAME = ["gan", "width=32", "d_width=16", "batch=16", "prior.dim=8", "save_every=20", "log_every=20"]


def torchrun(*words, restarts=0):
    """A torchrun of two processes, as a shell would start it."""
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    command += ["--max-restarts", str(restarts), "-m", "steadygan", *map(str, words)]
    settings = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=settings, stderr=subprocess.PIPE, stdout=subprocess.PIPE,
                            text=True)  # fmt: skip


def train(out, steps=STEPS, restarts=0):
    return torchrun("train", *GAME, "--steps", steps, "--out", out, restarts=restarts)


def workers(process):
    """The ids of the two processes, by rank."""
    found = {}
    for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
        variables = Path(f"/proc/{child}/environ").read_bytes().split(b"\0")
        found |= {int(v[5:]): int(child) for v in variables if v.startswith(b"RANK=")}
    return found


def wait_for_checkpoints(run, process, step):
    """Until the run has one of `step` or later."""
    limit = time.monotonic() + 120
    while time.monotonic() < limit and process.poll() is None:
        kept = checkpoint.listed(run / "checkpoints")
        if kept and int(kept[0].stem.partition("-")[2]) >= step:
            return
        time.sleep(0.02)
    raise AssertionError(process.communicate())


def ended(process, code=0):
    said = process.communicate(timeout=200)
    assert (process.returncode == 0) == (code == 0), said
    return said


def state(run):
    return checkpoint.load(checkpoint.listed(run / "checkpoints")[0]).tensors


def lines(run):
    """The history without times, and without probes, which are taken when there is time."""
    kept = []
    for line in read_history(run):
        line = {k: v for k, v in line.items() if "seconds" not in k and k != "probe"}
        kept.append(line)
    return kept


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    run = tmp_path_factory.mktemp("whole") / "run"
    ended(train(run))
    return run


@pytest.mark.parametrize("victim", [0, 1])
def test_a_run_whose_process_is_killed_ends_soon_and_resumes_bit_for_bit(victim, whole, tmp_path):
    run = tmp_path / "run"
    process = train(run)
    wait_for_checkpoints(run, process, 100)
    os.kill(workers(process)[victim], signal.SIGKILL)
    killed = time.monotonic()
    _, said = ended(process, code=1)
    assert time.monotonic() - killed < 30
    if victim == 1:
        (line,) = [each for each in said.splitlines() if each.startswith("steadygan: ")]
        assert "another process of this run has ended" in line
    checkpoint.load(checkpoint.listed(run / "checkpoints")[0])  # whole
    ended(torchrun("resume", run))
    assert unlike(state(run), state(whole)) == []
    assert lines(run) == lines(whole)


def test_torchrun_restarts_a_run_which_goes_on(whole, tmp_path):
    run = tmp_path / "run"
    process = train(run, restarts=1)
    wait_for_checkpoints(run, process, 100)
    os.kill(workers(process)[1], signal.SIGKILL)
    ended(process)
    assert unlike(state(run), state(whole)) == []


def test_a_signal_to_torchrun_saves_and_stops(whole, tmp_path):
    run = tmp_path / "run"
    process = train(run)
    wait_for_checkpoints(run, process, 100)
    process.send_signal(signal.SIGTERM)
    ended(process, code=143)
    assert read_facts(run)["status"]["state"] == "stopped"
    ended(torchrun("resume", run))
    assert unlike(state(run), state(whole)) == []


def test_another_number_of_processes_is_inexact_and_said(whole, tmp_path):
    run = tmp_path / "run"
    ended(train(run, steps=40))
    one = [sys.executable, "-m", "steadygan", "resume", str(run), "--steps", "60"]
    settings = {**os.environ, "OMP_NUM_THREADS": "1"}
    refused = subprocess.run(one, env=settings, capture_output=True, text=True)
    assert refused.returncode == 2
    assert "processes: 2 -> 1" in refused.stderr
    subprocess.run([*one, "--allow-inexact"], env=settings, check=True)
    facts = json.loads((run / "run.json").read_text())
    assert facts["processes"] == 1
    assert facts["inexact"] == ["processes: 2 -> 1"]


def test_restarts_want_a_folder_and_other_commands_one_process(tmp_path):
    _, said = ended(torchrun("train", *GAME, "--steps", 2, restarts=1), code=2)
    assert "torchrun --max-restarts wants --out" in said
    _, said = ended(torchrun("methods"), code=2)
    assert "steadygan: `steadygan methods` is of one process" in said
