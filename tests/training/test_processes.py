"""Several processes play the game of one: by two that gloo connects, each a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from sharing import GAMES

from steadygan.errors import UserError
from steadygan.game.draws import Stream, integers, normal, one_per_sample, uniform
from steadygan.game.processes import ALONE, Processes
from steadygan.launch import local_rank, rank_and_count, restarts
from steadygan.training import checkpoint, replay

WORKER = Path(__file__).parents[1] / "sharing.py"
#: Batch norm, scores of a whole batch, two derivatives: what each run of the tests compares.
FEW = ["dcgan", "ragan", "wgan-gp"]


def by_two(folder, *what):
    """The paths of results that two processes have written."""
    paths = os.pathsep.join([str(WORKER.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    settings = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(WORKER)]
    end = ["2", str(folder / "meeting"), str(folder / "result"), *what]
    started = [
        subprocess.Popen(
            [*command, str(rank), *end], env=settings, stderr=subprocess.PIPE, text=True
        )
        for rank in range(2)
    ]
    errors = [process.communicate(timeout=400)[1] for process in started]
    assert [process.returncode for process in started] == [0, 0], errors
    return [json.loads(path.read_text()) for path in sorted(folder.glob("result*"))]


@pytest.mark.long
def test_every_game_in_two_processes_has_the_gradients_of_one(tmp_path):
    (found,) = by_two(tmp_path, "-", *GAMES)
    assert {name: off for name, off in found["by memory"].items() if not off < 1e-10} == {}


@pytest.fixture(scope="module")
def faults(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faults")
    return folder, by_two(folder, "faults", *FEW)[1:]


def test_two_processes_compute_the_gradients_of_one(faults):
    found = json.loads((faults[0] / "result").read_text())
    assert list(found) == ["by memory", "by torch.distributed"]
    for off in found.values():
        assert list(off) == FEW
        assert max(off.values()) < 1e-10


def test_processes_of_other_settings_are_refused_in_all(faults):
    for said in (each["settings"] for each in faults[1]):
        assert said.startswith("2 process 1 is not of this run")
        assert "seed: 0 -> 1" in said


def test_what_processes_cannot_share_is_refused(faults):
    for each in faults[1]:
        assert each["batch"] == "2 batch=7 cannot be shared by 2 processes: give a multiple of 2"
        assert each["replay"].startswith("2 replay wants one process")
    assert not (faults[0] / "b").exists()


def test_a_bad_number_in_one_process_stops_all_before_a_weight_moves(faults):
    folder, (first, second) = faults
    for said in (first["nan"], second["nan"]):
        assert said.startswith("3 step 0: NaN or Inf in the real batch (data) of player d")
    (kept,) = checkpoint.listed(folder / "d" / "failure")
    bad = checkpoint.load(kept).tensors["failure/real"].isnan().all(1)
    assert bad.tolist() == [False] * 4 + [True] * 4  # the whole batch, the second half its own


def test_the_failure_of_two_is_replayed_by_one(faults, tmp_path):
    from sharing import points

    found = replay(faults[0] / "d", data=points(0), say=lambda text: None)
    assert "NaN or Inf in the real batch" in found


def test_weights_that_come_apart_are_noticed_before_they_are_saved(faults):
    folder, said = faults
    for each in said:
        assert each["apart"].startswith("1 step 1: players/d/")
        assert "no longer the same in all processes" in each["apart"]
    assert [p.name for p in checkpoint.listed(folder / "e" / "checkpoints")] == [
        "step-000000.safetensors"
    ]


def test_one_process_writes(faults):
    folder, said = faults
    assert [each["fine"] for each in said] == ["done", "done"]
    facts = json.loads((folder / "f" / "run.json").read_text())
    assert facts["processes"] == 2
    assert facts["status"]["messages"] == "shared memory"
    assert facts["status"]["state"] == "finished"


def test_batch_norm_of_shares_is_another_game_with_one_state(faults):
    folder, said = faults
    assert [each["shares"] for each in said] == ["done", "done"]  # the states agreed at each save
    whole, of_shares = (checkpoint.load(checkpoint.listed(folder / name / "checkpoints")[0]).tensors
                        for name in "fg")  # fmt: skip
    moved = [name for name in whole if name.endswith("running_mean") and "players" in name]
    assert moved
    assert all(not torch.equal(whole[name], of_shares[name]) for name in moved)


# ---- draws -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "draw",
    [
        lambda n, stream: uniform((n, 3), stream),
        lambda n, stream: normal((n, 3), stream),
        lambda n, stream: integers(-2, 5, (n, 1), stream),
        lambda n, stream: one_per_sample(torch.zeros(n, 1, 2, 2), stream),
    ],
)
def test_shares_of_a_draw_are_cut_from_the_draw_of_one_process(draw):
    def stream(processes):
        found = Stream()
        found.manual_seed(5)
        found.processes = processes
        return found

    whole = draw(6, torch.Generator().manual_seed(5))
    assert torch.equal(draw(6, stream(ALONE)), whole)
    shares = [draw(2, stream(Processes(rank, 3))) for rank in range(3)]
    assert torch.equal(torch.cat(shares), whole)


def test_a_process_apart_holds_whole_batches():
    processes, batch = Processes(1, 2), torch.arange(6)
    assert processes.share_of(batch).tolist() == [3, 4, 5]
    with processes.apart():
        assert processes.share_of(batch) is batch
        assert processes.whole(batch) is batch
        assert processes.most(3) == [3]
    assert processes.size == 2


# ---- torchrun ----------------------------------------------------------------------------------


def test_the_environment_says_which_process_this_is(monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    assert (rank_and_count(), local_rank(), restarts()) == ((0, 1), 0, (0, 0))
    monkeypatch.setenv("RANK", "3")
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert (rank_and_count(), local_rank()) == ((3, 4), 3)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert local_rank() == 1
    for rank, count in (("4", "4"), ("", "2"), ("x", "2"), ("0", "-1")):
        monkeypatch.setenv("RANK", rank)
        monkeypatch.setenv("WORLD_SIZE", count)
        with pytest.raises(UserError, match="no process of a group"):
            rank_and_count()
