"""R4: a run goes on with what it recorded, or is refused with the differences listed."""

import json
import shutil

import pytest
import torch

from steadygan.errors import UserError
from steadygan.training import Hooks, checkpoint, precision, resume, train
from tests.reliability import children, files, games


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp("run") / "finished"
    return train(games.small("gan"), games.images(), out=out, steps=4, device="cpu",
                 precision="fp32")  # fmt: skip


@pytest.fixture
def run(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "run")


def edit(run, change):
    path = run / "run.json"
    known = json.loads(path.read_text())
    change(known)
    path.write_text(json.dumps(known))


def another_recipe(run, monkeypatch):
    edit(run, lambda known: known["recipe"]["d_optimizer"].update(lr=0.5))


def another_seed(run, monkeypatch):
    edit(run, lambda known: known.update(seed=9))


def another_precision(run, monkeypatch):
    edit(run, lambda known: known.update(precision="bf16"))


def other_threads(run, monkeypatch):
    edit(run, lambda known: known.update(threads=2))


def another_torch(run, monkeypatch):
    monkeypatch.setattr(torch, "__version__", "9.9.9")


def another_machine(run, monkeypatch):
    monkeypatch.setattr(precision, "arithmetic_of", lambda device, precision: "ABACUS")


DIFFERENT = [
    (another_recipe, "recipe.d_optimizer.lr: 0.0002 -> 0.5"),
    (another_seed, "seed: 0 -> 9"),
    (another_precision, "precision: fp32 -> bf16"),
    (other_threads, "threads: 1 -> 2"),
    (another_torch, f"torch: {torch.__version__} -> 9.9.9"),
    (another_machine, "-> ABACUS"),
]


@pytest.mark.parametrize(("change", "listed"), DIFFERENT, ids=lambda v: getattr(v, "__name__", ""))
def test_what_differs_is_listed_and_refused_unless_allowed(change, listed, run, monkeypatch):
    change(run, monkeypatch)
    before = files.content(run)
    with pytest.raises(UserError) as caught:
        resume(run, data=games.images(), steps=6, say=games.quiet)
    assert caught.value.exit_code == 2
    assert listed in str(caught.value)
    assert "--allow-inexact" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert files.content(run) == before
    said = []
    resume(run, data=games.images(), steps=6, allow_inexact=True, say=said.append)
    assert [line for line in said if line.startswith("inexact: ") and listed in line]
    marks = json.loads((run / "run.json").read_text())["inexact"]
    assert [mark for mark in marks if listed in mark]
    assert checkpoint.step_of(checkpoint.listed(run / "checkpoints")[0]) == 6
    # From here on the run is what it is now: it goes on without being asked again, still marked.
    resume(run, data=games.images(), steps=7, say=games.quiet)
    assert json.loads((run / "run.json").read_text())["inexact"] == marks


def test_another_data_set_is_refused(run):
    with pytest.raises(UserError, match=r"data.fingerprint: tiny 200 -> tiny 208"):
        resume(run, data=games.images(208), steps=6, say=games.quiet)


def test_several_differences_stand_in_one_line(run, monkeypatch):
    another_seed(run, monkeypatch)
    another_torch(run, monkeypatch)
    with pytest.raises(UserError, match=r"seed: 0 -> 9; torch: .* -> 9\.9\.9"):
        resume(run, data=games.images(), steps=6, say=games.quiet)


def test_a_device_that_is_not_here_is_refused(run):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    edit(run, lambda known: known.update(device="cuda"))
    with pytest.raises(UserError, match="device: cuda -> cpu"):
        resume(run, data=games.images(), steps=6, say=games.quiet)
    said: list[str] = []
    resume(run, data=games.images(), steps=6, allow_inexact=True, say=said.append)
    assert "inexact: device: cuda -> cpu" in said


@pytest.mark.long
def test_threads_and_precision_are_set_as_recorded(tmp_path):
    assert children.run(piece, tmp_path / "whole", 2, None, folder=tmp_path) == 0
    assert children.run(piece, tmp_path / "cut", 2, 5, folder=tmp_path) == 0
    assert children.run(piece, tmp_path / "cut", 1, None, folder=tmp_path) == 0  # set to 2 again
    games.same_end(tmp_path / "cut", tmp_path / "whole")


def piece(run, threads, until):
    """In a child: a part of a bf16 run of 2 threads, in a process that has `threads`."""
    from steadygan.training import Stopped
    from tests.reliability.resuming import stop_at

    torch.set_num_threads(threads)
    hooks = Hooks() if until is None else stop_at(until)
    seen = hooks.on_iteration

    def as_recorded(trainer):
        assert torch.get_num_threads() == 2
        assert trainer.device_config.precision == "bf16"
        seen(trainer)

    hooks.on_iteration = as_recorded
    try:
        if run.exists():
            resume(run, data=games.images(), hooks=hooks, say=games.quiet)
        else:
            train(games.small("gan"), games.images(), out=run, steps=10, device="cpu",
                  precision="bf16", hooks=hooks)  # fmt: skip
    except Stopped:
        pass
